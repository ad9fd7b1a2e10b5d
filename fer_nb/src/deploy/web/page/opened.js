// Browsers load no modules and no networks from files: says so if the page was opened as one.
"use strict";

if (location.protocol === "file:") {
  const warning = document.getElementById("warning");
  warning.textContent =
    "This page was opened as a file, and browsers do not let a file load its networks. " +
    "Run `python3 -m http.server` in its folder, then open http://localhost:8000.";
  warning.hidden = false;
  document.getElementById("state").textContent = "not loaded";
}
