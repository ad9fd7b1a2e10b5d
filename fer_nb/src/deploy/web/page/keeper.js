// The service worker: keeps the page's files, and gives them out if there is no network. With a network the newest
// files count; the large ones carry their version in the address, and are asked for once.
"use strict";

const PREFIX = `fer_nb ${registration.scope} `;
const NAME = PREFIX + new URL(location.href).searchParams.get("version");

addEventListener("install", (event) => event.waitUntil(keep()));
addEventListener("activate", (event) => event.waitUntil(forgetOthers()));
addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && url.startsWith(registration.scope)) event.respondWith(answer(event.request));
});

async function keep() {
  const cache = await caches.open(NAME);
  const model = await (await fetch("model.json", { cache: "no-cache" })).json();
  const newest = (name) => new Request(name, { cache: "no-cache" });
  const wanted = ({ name, version }) => (model.versioned.includes(name) ? `${name}?v=${version}` : newest(name));
  await cache.addAll([newest("./"), newest("model.json"), ...model.files.map(wanted)]);
  await skipWaiting();
}

async function forgetOthers() {
  const names = await caches.keys();
  const others = names.filter((name) => name.startsWith(PREFIX) && name !== NAME);
  await Promise.all(others.map((name) => caches.delete(name)));
  await clients.claim();
}

async function answer(request) {
  const cache = await caches.open(NAME);
  if (new URL(request.url).searchParams.has("v")) return (await cache.match(request)) ?? fetch(request);
  try {
    return await fetch(request, { cache: "no-cache" });
  } catch (error) {
    const kept = await cache.match(request);
    if (kept) return kept;
    throw error;
  }
}
