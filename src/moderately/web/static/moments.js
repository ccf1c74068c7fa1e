// Fields for a time: shown and typed in the viewer's zone, sent as UTC.

const pad = (number) => String(number).padStart(2, "0");

function toLocal(utc) {
  const at = new Date(`${utc}Z`);
  if (Number.isNaN(at.getTime())) return "";
  const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  return `${day}T${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}

export function localFields(form) {
  const fields = form.querySelectorAll("input[type=datetime-local]");
  for (const field of fields) {
    const sent = field.getAttribute("value");
    if (sent) field.value = toLocal(sent);
  }
  for (const zone of form.querySelectorAll("[data-zone]")) zone.textContent = "";
  form.addEventListener("formdata", (event) => {
    for (const field of fields) {
      const at = new Date(field.value);
      if (field.value && !Number.isNaN(at.getTime())) {
        event.formData.set(field.name, at.toISOString().slice(0, 19) + "Z");
      }
    }
    // What goes without saying need not be in the address.
    for (const [name, value] of [...event.formData]) {
      if (value === (form.elements[name]?.dataset?.default ?? "")) event.formData.delete(name);
    }
  });
}
