export function render({ model, el }) {
  const sheet = document.createElement("div"), button = document.createElement("button");
  sheet.className = "printed-sheet";
  document.body.append(sheet);
  button.type = "button";
  button.textContent = "Print";
  button.title = "Print the promise and how it was made, or save it as a PDF";
  button.onclick = () => window.print();
  el.append(button);
  const draw = () => {
    sheet.innerHTML = model.sheet;
    document.body.classList.toggle("prints-sheet", model.sheet !== "");
    button.disabled = model.sheet === "";
  };
  model.on("sheet", draw);
  model.on("remove", () => {
    document.body.classList.remove("prints-sheet");
    sheet.remove();
  });
  draw();
}
