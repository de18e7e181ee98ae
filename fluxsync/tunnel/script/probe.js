// What the way to the gateway can do, found out with two requests at a time.
//
// The gateway begins to answer the first one, and ends its answer when the second one comes, or
// after a second. So an answer with two STATEs shows that two requests passed at a time, whether
// or not a proxy collected it in a buffer.

// How long the first STATE may take if it isn't collected. The gateway waits a second for the
// second request.
const FIRST_STATE = 400;
const LAST_FIRST_STATE = 900;
// How long the two requests may take together after that.
const BOTH = 500;

function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Milliseconds that this page's own request took to be answered, as far as is known.
function roundTrip() {
  const [page] = performance.getEntriesByType("navigation");
  return page ? Math.max(0, page.responseStart - page.requestStart) : 0;
}

// Returns the best transport: {transport, word}. The word says why it isn't better.
async function probe(requests, clock, signal, slow = roundTrip()) {
  try {
    return await probeOnce(requests, clock, signal, slow);
  } catch (error) {
    if (error instanceof Lost && !signal.aborted) {
      return probeOnce(requests, clock, signal, slow);
    }
    throw error;
  }
}

async function probeOnce(requests, clock, signal, slow) {
  const key = randomKey();
  const over = new AbortController();
  const cancel = () => over.abort();
  const ask = (query, onState) => requests.records({
    verb: "probe", query, patience: 10000, signal: over.signal, onState,
  });
  const wait = (delay) => sleep(clock, delay, over.signal);
  let states = 0;
  let canHold = true;
  let outcome = null;
  let isAcknowledged = false;
  signal.addEventListener("abort", cancel);
  try {
    let ended;
    const begun = new Promise((resolve) => {
      ended = ask(`?key=${key}`, ({ words }) => {
        states += 1;
        canHold = canHold && !words.includes("no-hold");
        resolve();
      }).then(
        ({ isComplete }) => {
          outcome = { error: isComplete ? null : new Lost("cut") };
        },
        (error) => {
          outcome = { error };
        },
      );
    });
    const patience = Math.min(LAST_FIRST_STATE, Math.max(FIRST_STATE, 3 * slow));
    await Promise.race([begun, ended, wait(patience)]);
    const begins = states > 0;
    if (canHold && outcome === null) {
      const acknowledged = new Promise((resolve) => {
        ask(`?key=${key}&ack=1`).then(resolve, () => {});
      }).then(() => {
        isAcknowledged = true;
      });
      const both = wait(Math.max(BOTH, 3 * slow));
      await Promise.race([ended, acknowledged, both]);
      // The end of the first answer comes along with the second one, if it comes.
      await Promise.race([ended, isAcknowledged ? wait(BOTH / 2) : null]);
    }
    if (signal.aborted) {
      throw new Lost("closed");
    }
    if (outcome?.error && canHold) {
      throw outcome.error;
    }
    if (!canHold) {
      return { transport: SHORT_POLL, word: "no-hold" };
    }
    if (outcome === null ? !isAcknowledged : states < 2) {
      return { transport: SHORT_POLL, word: "serial" };
    }
    return begins && states > 1
      ? { transport: STREAM, word: "" }
      : { transport: LONG_POLL, word: "buffered" };
  } finally {
    signal.removeEventListener("abort", cancel);
    over.abort();
  }
}
