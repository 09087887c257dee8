export function render({ model }) {
  model.send_msg({ zone: Intl.DateTimeFormat().resolvedOptions().timeZone });
}
