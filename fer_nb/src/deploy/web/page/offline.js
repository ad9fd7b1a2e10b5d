// Lets the page work without a network: the service worker keeps its files.

/** Whether all files of this version are kept; never on hosts to which browsers give no service worker. */
export async function keepForOffline(version) {
  if (!navigator.serviceWorker) return false;
  try {
    const kept = await navigator.serviceWorker.register(`keeper.js?version=${version}`);
    const worker = kept.installing ?? kept.waiting ?? kept.active;
    await new Promise((resolve, reject) => {
      const look = () => {
        if (worker.state === "activated") resolve();
        if (worker.state === "redundant") reject(new Error("the service worker was not installed"));
      };
      worker.addEventListener("statechange", look);
      look();
    });
    return true;
  } catch {
    return false; // as in a private window; the page works all the same while it is open
  }
}
