// What the theme leaves out for readers with a keyboard or a screen reader: what scrolls can be reached, the search has a name.
addEventListener("load", () => {
  document.querySelector(".md-search").setAttribute("aria-label", "Search");
  for (const part of document.querySelectorAll(".md-typeset__scrollwrap, .output, .output .scroll")) part.tabIndex = 0;
});
