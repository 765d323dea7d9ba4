"""The documentation site: the repository's own Markdown in the same folders, the API, the lessons with their outputs.

`make docs` builds it into `site/` and checks it. The Markdown is written for GitHub and stands as it is: `tree` says
where a link into the code leads on the site. What is built from is `.site/`, plain files for any generator of pages.
"""
