// Brings what is marked as live up to date, every half minute, without losing the reader's place. Pages work without it.
"use strict";
const EVERY_MS = 30000;

function isInUse(part) {
  const selection = document.getSelection();
  return (
    document.hidden ||
    part.contains(document.activeElement) ||
    (selection && !selection.isCollapsed && part.contains(selection.anchorNode)) ||
    part.querySelector("details[open]")
  );
}

async function refresh() {
  const part = document.getElementById("live");
  if (!part || isInUse(part)) return;
  try {
    const answer = await fetch(location.href, { headers: { "x-flowctl-poll": "1" }, cache: "no-store" });
    if (answer.redirected) {
      location.reload(); // nobody is signed in any more: the page leads to the sign-in
    } else if (answer.ok) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
      if (fresh && !isInUse(part)) part.replaceWith(fresh);
    }
  } catch {
    // the server is being restarted, or the network is away: the next time
  }
}

setInterval(refresh, EVERY_MS);
