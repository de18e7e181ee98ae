// Put the page right. This runs before anything of Streamlit's.

const settings = document.currentScript.dataset;

// Returns where the app is mounted, as the browser sees it: what is left of the page's path
// without the path that the gateway saw. Null if they don't fit.
function findMount(pathname, path) {
  const decode = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  if (path && pathname.endsWith(path)) {
    return pathname.slice(0, pathname.length - path.length);
  }
  // Some proxies decode what they pass on. As many segments are then as many segments still.
  const cut = pathname.split("/").length - path.split("/").length + 1;
  const segments = pathname.split("/");
  if (!path || cut < 1 || decode(`/${segments.slice(cut).join("/")}`) !== decode(path)) {
    return null;
  }
  return segments.slice(0, cut).join("/");
}

// Streamlit asks for its server there, and else where the page is and one level above.
const mount = findMount(location.pathname, settings.path ?? "");
if (mount !== null && !window.__streamlit?.BACKEND_BASE_URL) {
  window.__streamlit = {
    ...window.__streamlit,
    BACKEND_BASE_URL: `${location.origin}${mount}/`,
  };
}
if (mount !== null) {
  watchFiles(mount);
  if (settings.root) {
    compareRoot(mount, settings.root);
  }
}

function replaceWebSocket(Native, pinned) {
  const report = (transport, reason) => {
    const last = window.fluxsync;
    window.fluxsync = Object.freeze({ transport, reason });
    const isNews = last?.transport !== transport || last.reason !== reason;
    if (transport !== WEBSOCKET && isNews) {
      console.info(`fluxsync: messages travel by ${transport} (${reason})`);
    }
  };
  const ladder = new Ladder({
    pinned,
    Native,
    fetch: (...request) => window.fetch(...request),
    clock: systemClock,
    memory: new Memory(() => window.sessionStorage),
    report,
  });
  const sockets = new Set();
  window.addEventListener("pagehide", () => sockets.forEach((socket) => socket.leave()));
  // For instanceof, and for the constants.
  Object.setPrototypeOf(TunnelledSocket.prototype, Native.prototype);
  window.WebSocket = new Proxy(Native, {
    construct(target, args, newTarget) {
      const url = args.length ? parseUrl(args[0]) : null;
      if (url === null || !isStreamlits(url)) {
        return Reflect.construct(target, args, newTarget);
      }
      const socket = new TunnelledSocket(url, args[1] ?? [], ladder);
      sockets.add(socket);
      socket.addEventListener("close", () => sockets.delete(socket));
      return socket;
    },
  });
}

if (["auto", STREAM, LONG_POLL, SHORT_POLL].includes(settings.transport)) {
  replaceWebSocket(window.WebSocket, settings.transport);
}
