// What the theme leaves out for readers with a keyboard or a screen reader: what scrolls can be reached, the search has a name.
addEventListener("load", () => {
  document.querySelector(".md-search").setAttribute("aria-label", "Search");
  for (const part of document.querySelectorAll(".md-typeset__scrollwrap, .output, .output .scroll"))
    if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
});

// A picture for dark paper follows the page's colours, which a reader may have changed, and not the system's.
const follow = () => {
  for (const source of document.querySelectorAll("picture source"))
    source.media = document.body.dataset.mdColorScheme === "slate" ? "all" : "not all";
};
new MutationObserver(follow).observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
follow();
