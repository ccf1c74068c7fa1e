// Sends what is to be done with the selected rows, and shows what came of it above them.

export function setUpBulk(form, selection, look) {
  const results = document.getElementById("results");
  const sure = document.getElementById("sure");

  async function send(action, isConfirmed) {
    const fields = new URLSearchParams(new FormData(form));
    fields.set("action", action);
    if (isConfirmed) fields.set("confirmed", "yes");
    const headers = { "x-fragment": "results" };
    try {
      const reply = await fetch("/ui/executions", { method: "POST", body: fields, headers });
      // Without an answer it may be done all the same: sent again, it is still done once.
      form.elements.once.value = crypto.getRandomValues(new Uint32Array(4)).join("-");
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      const told = page.querySelector(".notice, main");
      results.replaceChildren(...(told ? [document.adoptNode(told)] : []));
    } catch {
      results.textContent = "The service does not answer. Nothing is known to have been done.";
    }
    selection.clear();
    await look().catch(() => {});
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const action = event.submitter?.value;
    if (!action || !selection.count()) return;
    if (action === "delete") {
      document.getElementById("sure-title").textContent = `Delete ${selection.count()}?`;
      sure.returnValue = "no";
      sure.showModal();
      await new Promise((resolve) => sure.addEventListener("close", resolve, { once: true }));
      if (sure.returnValue !== "yes") return;
    }
    await send(action, action === "delete");
  });
}
