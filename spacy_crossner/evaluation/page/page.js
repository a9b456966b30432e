"use strict";
(() => {
  const [form, type, kind, text, count] = ["filters", "type", "kind", "text", "count"].map((id) => document.getElementById(id));
  const rows = [...document.querySelectorAll("#list > li")].map((element) => ({
    element,
    kinds: JSON.parse(element.dataset.kinds),
    marks: [...element.querySelectorAll("mark")].map((mark) => ({ kind: mark.className, type: mark.querySelector("b").textContent })),
    text: element.dataset.text.toLowerCase(),
  }));
  const fits = (row, wantedType, wantedKind, wantedText) => {
    if (wantedText && !row.text.includes(wantedText)) return false;
    const isKind = (found) => !wantedKind || found === wantedKind || (wantedKind === "wrong" && found !== "right");
    // One entity has to match both the type and the kind.
    if (wantedType) return row.marks.some((mark) => mark.type === wantedType && isKind(mark.kind));
    return !wantedKind || row.kinds.some(isKind);
  };
  const show = () => {
    const wanted = [type.value, kind.value, text.value.trim().toLowerCase()];
    let shown = 0;
    for (const row of rows) {
      row.element.hidden = !fits(row, ...wanted);
      if (!row.element.hidden) shown += 1;
    }
    count.textContent = `${shown} sentence${shown === 1 ? "" : "s"}`;
  };
  form.addEventListener("input", show);
  form.addEventListener("reset", () => setTimeout(show));
  // Apply filters that the browser kept from before a reload.
  show();
})();
