// A metric chosen in one domain is chosen in all; printing unfolds everything.
document.addEventListener("change", (event) => {
  const chosen = event.target.labels && event.target.labels[0];
  if (!chosen || event.target.type !== "radio") return;
  const top = chosen.getBoundingClientRect().top;
  for (const label of document.querySelectorAll(".tabs label"))
    if (label.textContent === chosen.textContent) label.control.checked = true;
  scrollBy({ top: chosen.getBoundingClientRect().top - top, behavior: "instant" });
});
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});
