// Tell a person when the page isn't where fluxsync takes it to be.

// Nothing that a shell would take for a command.
const PLAIN = /^[\w.~@/-]+$/;

function showNotice(text) {
  console.error(`fluxsync: ${text}`);
  const show = () => {
    const notice = document.createElement("div");
    notice.setAttribute("role", "alert");
    notice.style.cssText =
      "position: fixed; z-index: 2147483647; left: 0; right: 0; bottom: 0; padding: 1rem 3rem 1rem"
      + " 1.5rem; font: 16px/1.5 system-ui, sans-serif; color: #222; background: #ffe9a8;";
    notice.textContent = text;
    const button = document.createElement("button");
    button.setAttribute("aria-label", "Close");
    button.style.cssText =
      "position: absolute; top: .75rem; right: 1rem; border: 0; background: none; cursor: pointer;"
      + " font: inherit; color: inherit;";
    button.textContent = "\u00d7";
    button.addEventListener("click", () => notice.remove());
    notice.append(button);
    document.body.append(notice);
  };
  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", show);
  } else {
    show();
  }
}

// A proxy that leaves its prefix in requests: "/tools" looks like the name of a page at "/", and
// the page's files aren't there.
function watchFiles(mount) {
  const base = `${location.origin}${mount}/`;
  const address = location.pathname;
  const isFrontend = (target) =>
    target instanceof HTMLScriptElement && target.src.startsWith(`${base}static/`);
  const onError = async (event) => {
    if (!isFrontend(event.target)) {
      return;
    }
    window.removeEventListener("error", onError, true);
    const request = { method: "HEAD", cache: "no-store", credentials: "same-origin" };
    const answer = await fetch(`${base}__fluxsync/shim.js`, request).catch(() => null);
    const isOurs = answer?.ok && answer.headers.get("content-type")?.includes("javascript");
    // No answer is no network, and ours means that only the file is missing.
    if (answer !== null && !isOurs) {
      showNotice(
        `The files of this page are not at ${mount}/static/. If a proxy publishes the application`
        + ` under ${address}, let it remove ${address} from what it forwards`
        + (PLAIN.test(address) ? `, or set FLUXSYNC_ROOT_PATH=${address}.` : "."),
      );
    }
  };
  // Errors of elements don't bubble.
  window.addEventListener("error", onError, true);
}

// Cookies are for the root path only, and browsers send them nowhere else.
function compareRoot(mount, root) {
  let there = mount;
  try {
    there = decodeURI(mount);
  } catch {
    // Not UTF-8, or not encoded at all.
  }
  if (there !== root) {
    const isPlain = PLAIN.test(there);
    const hint = isPlain ? `FLUXSYNC_ROOT_PATH=${there}` : "no FLUXSYNC_ROOT_PATH";
    showNotice(
      `This page is at ${there}/, and the root path is set to ${root}: uploads and sign-in do not`
      + ` work here. ${isPlain || !there ? `Set ${hint}, or open` : "Open"} the page at ${root}/.`,
    );
  }
}
