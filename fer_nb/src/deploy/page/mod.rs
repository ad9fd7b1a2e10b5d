//! What the page of `fer serve` and that of `fer export --format web` have in common.

/// Name and content of each file that both have.
pub(super) const FILES: [(&str, &str); 6] = [
    ("style.css", include_str!("style.css")),
    ("icon.svg", include_str!("icon.svg")),
    ("bars.js", include_str!("bars.js")),
    ("boxes.js", include_str!("boxes.js")),
    ("shown.js", include_str!("shown.js")),
    ("stage.js", include_str!("stage.js")),
];

/// Marks in a page, and the HTML that takes their places.
const PARTS: [(&str, &str); 2] = [
    ("<!-- stage -->\n", include_str!("stage.html")),
    ("<!-- answer -->\n", include_str!("answer.html")),
];

/// A page with the parts that both have.
pub(super) fn whole(page: &str) -> String {
    PARTS.iter().fold(page.into(), |page: String, (mark, part)| page.replace(mark, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_pages_have_the_parts_once() {
        for page in
            [include_str!("../serve/page/index.html"), include_str!("../web/page/index.html")]
        {
            let page = whole(page);
            for id in ["view", "camera", "file", "state", "chips", "bars", "more"] {
                assert_eq!(page.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
            }
            assert!(!page.contains("<!-- stage") && !page.contains("<!-- answer"));
        }
    }
}
