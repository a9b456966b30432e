// Works the filters of a report as a reader would, and leaves what it saw in the title.
window.addEventListener("load", () => setTimeout(() => {
  const shown = () => [...document.querySelectorAll("#list > li")]
    .filter((item) => !item.hidden)
    .map((item) => item.dataset.text.trim());
  const choose = (id, value) => {
    const field = document.getElementById(id);
    field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    return shown();
  };
  const found = { all: shown() };
  found.loc = choose("type", "loc");
  found.locType = choose("kind", "type");
  found.type = choose("type", "");
  found.wrong = choose("kind", "wrong");
  found.count = document.getElementById("count").textContent;
  choose("kind", "");
  found.text = choose("text", "OSLO");
  document.querySelector("button[type=reset]").click();
  setTimeout(() => {
    found.reset = shown();
    found.errors = window.failures;
    found.requests = performance.getEntriesByType("resource").map((entry) => entry.name);
    found.wide = document.documentElement.scrollWidth > window.innerWidth;
    document.title = JSON.stringify(found);
  }, 50);
}, 50));
