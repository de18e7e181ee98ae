// What a test does with the page's network, and with its WebSockets. Runs as a function.
() => {
  const realFetch = window.fetch;
  const address = `${location.origin.replace("http", "ws")}/_stcore/stream`;

  window.network = {
    // The requests of tunnels, as {verb, mode, wait, limit, size, id}.
    requests: [],
    // Returns null, or what becomes of a request: a response, or a promise that fails.
    // It's given what is in `requests`, a function that does the request, and its signal.
    meddle: () => null,
    count: (test) => window.network.requests.filter(test).length,
    // How many have had no response yet.
    pending: 0,
  };

  window.fetch = (url, options) => {
    const { pathname, searchParams } = new URL(url, location);
    const request = {
      verb: pathname.split("/").pop(),
      mode: searchParams.get("mode"),
      wait: Number(searchParams.get("wait")),
      limit: Number(searchParams.get("limit")),
      received: Number(searchParams.get("received")),
      isAck: searchParams.get("ack") === "1",
      size: options.body?.length ?? 0,
      id: options.headers["X-Fluxsync-Tunnel"],
    };
    window.network.requests.push(request);
    const doIt = () => realFetch(url, options);
    const answer = window.network.meddle(request, doIt, options.signal) ?? doIt();
    const done = () => {
      window.network.pending -= 1;
    };
    window.network.pending += 1;
    answer.then(done, done);
    return answer;
  };

  // Never answers.
  window.silence = (signal) => new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
  });

  // Gives a response's body in other pieces; the transform may end it with an error.
  window.transform = async (response, transform) => new Response(
    response.body.pipeThrough(new TransformStream({ transform })),
    { status: response.status, headers: response.headers },
  );

  // A proxy's buffer: everything at once, at the end.
  window.collect = async (response) => new Response(
    await response.arrayBuffer(), { status: response.status, headers: response.headers },
  );

  // A WebSocket with all that has happened to it.
  window.connect = (protocols = ["streamlit", "token"], url = address) => {
    const socket = new WebSocket(url, protocols);
    socket.binaryType = "arraybuffer";
    socket.events = [];
    socket.received = [];
    let news = () => {};
    for (const type of ["open", "message", "error", "close"]) {
      socket.addEventListener(type, (event) => {
        const { code, reason, wasClean } = event;
        socket.events.push(type === "close" ? [type, code, reason, wasClean] : type);
        if (type === "message") {
          socket.received.push(event.data);
        }
        news();
      });
    }
    socket.until = async (test) => {
      while (!test(socket)) {
        await new Promise((resolve) => {
          news = resolve;
        });
      }
      return socket;
    };
    socket.opened = () => socket.until(() => socket.readyState !== 0);
    socket.count = (count) => socket.until(
      () => socket.received.length >= count || socket.readyState === 3,
    );
    socket.closed = () => socket.until(() => socket.readyState === 3);
    // Sends numbers, and says which ones came back.
    socket.echo = async (count, from = 0) => {
      const before = socket.received.length;
      for (let number = 0; number < count; number++) {
        socket.send(Uint32Array.of(from + number));
        await socket.count(before + number + 1);
      }
      return socket.numbers().slice(before);
    };
    socket.numbers = () => socket.received.map((data) => new Uint32Array(data)[0]);
    return socket;
  };

  // WebSockets that a host refuses, or accepts and then forgets.
  window.refuse = (how) => {
    const Native = window.WebSocket;
    window.natives = [];
    window.WebSocket = class extends Native {
      constructor(...args) {
        super(...(how === "silent" ? args : [`${address}/none`, args[1]]));
        window.natives.push(args);
        if (how !== "refused") {
          // Frames don't come, nor does anything happen if it hangs.
          Object.defineProperty(this, "onmessage", { set() {} });
        }
        if (how === "hanging") {
          Object.defineProperty(this, "onopen", { set() {} });
          Object.defineProperty(this, "onclose", { set() {} });
        }
      }
    };
  };
}
