const SIGNS = { done: "✓", now: "●", later: "○" };
const SAID = { done: "done", now: "next", later: "later" };
export function render({ model, el }) {
  const list = document.createElement("ol");
  list.setAttribute("aria-label", "The path to a promise");
  el.append(list);
  const line = (kind, text) => {
    const found = document.createElement("span");
    found.className = kind;
    found.textContent = text;
    return found;
  };
  const draw = () => list.replaceChildren(...model.steps.map(step => {
    const item = document.createElement("li"), button = document.createElement("button");
    item.className = step.stage;
    item.dataset.step = step.key;
    const sign = line("sign", SIGNS[step.stage]);
    sign.setAttribute("aria-hidden", "true");
    button.type = "button";
    button.textContent = step.title;
    button.disabled = !step.possible;
    button.title = `${step.title}: ${SAID[step.stage]}`;
    if (step.stage === "now") item.setAttribute("aria-current", "step");
    button.onclick = () => model.send_msg({ key: step.key });
    const head = line("head", "");
    const named = line("named", "");
    named.append(button);
    if (step.told) named.append(termButton("?", step.told));
    head.append(named);
    if (step.count) head.append(line("count", step.count));
    const words = line("words", "");
    words.append(head);
    if (step.hint && step.stage === "now") words.append(line("hint", step.hint));
    item.append(sign, words);
    return item;
  }));
  model.on("steps", draw);
  draw();
}
