// How the tests start Chromium.

export const FLAGS = [
  "--no-sandbox", // for root, as in a container; the only pages are those of our own servers
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
