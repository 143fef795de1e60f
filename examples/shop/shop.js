// A picture that is dropped anywhere on the page is searched with; without this script the form does the same.
"use strict";
(() => {
  const input = document.getElementById("picture");
  if (!input) return;
  const form = input.form;
  const carries = (event) => event.dataTransfer && Array.from(event.dataTransfer.types).includes("Files");
  const mark = (on) => document.body.classList.toggle("dropping", on);
  const send = () => { if (input.files.length > 0) form.requestSubmit(); };

  input.addEventListener("change", send);
  document.addEventListener("dragover", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) mark(false); });
  document.addEventListener("drop", (event) => {
    mark(false);
    // Dropped on another file field, it is meant for that one.
    if (!carries(event) || (event.target instanceof HTMLInputElement && event.target !== input)) return;
    event.preventDefault();
    const picture = Array.from(event.dataTransfer.files).find((file) => /^image\/(jpeg|png)$/.test(file.type));
    if (!picture) return;
    const files = new DataTransfer();
    files.items.add(picture);
    input.files = files.files;
    send();
  });
})();
