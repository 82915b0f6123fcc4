import assert from "node:assert/strict";
import { MuxExchange } from "../../../tests/fake/mux_exchange.ts";

/** Records of the exchange where nothing happens. */
function recordsOf(): number {
  const exchange = new MuxExchange();
  exchange.run();
  exchange.assertDone();
  return exchange.arrived;
}

const RECORDS = recordsOf();

/** Runs the exchange; `act` happens once, behind `k` records. */
function disturb(k: number, act: (exchange: MuxExchange) => void, newestFirst = false): void {
  const exchange = new MuxExchange();
  let hasActed = false;
  try {
    exchange.run((arrived) => {
      if (arrived < k || hasActed) return;
      hasActed = true;
      act(exchange);
    }, newestFirst);
    assert(hasActed);
    exchange.assertDone();
  } catch (error) {
    throw new Error(`Behind ${k} records`, { cause: error });
  }
}

/** One case for each boundary between two records, the first and the last included. */
function eachBoundary(run: (k: number) => void): void {
  assert(RECORDS > 20, `${RECORDS} records`);
  for (let k = 0; k <= RECORDS; k++) run(k);
}

Deno.test("the carrier is cut at any boundary: no byte is lost or repeated", () => {
  eachBoundary((k) =>
    disturb(k, (exchange) => {
      exchange.killAll();
      exchange.connect()();
    })
  );
});

Deno.test("the carrier is cut at any two boundaries", () => {
  eachBoundary((k) => {
    for (const more of [1, 2, 3, 5, 8]) {
      const exchange = new MuxExchange();
      const cuts = [k, k + more];
      exchange.run((arrived) => {
        if (cuts.length === 0 || arrived < cuts[0]!) return;
        cuts.shift();
        exchange.killAll();
        exchange.connect()();
      });
      exchange.assertDone();
    }
  });
});

for (const newestFirst of [true, false]) {
  const order = newestFirst ? "behind those of the new one" : "before those of the new one";
  Deno.test(`a second carrier at any boundary, what the first still carries comes ${order}`, () => {
    eachBoundary((k) => disturb(k, (exchange) => exchange.connect()(), newestFirst));
  });

  Deno.test(`a third carrier beside two at any boundary, older records ${order}`, () => {
    eachBoundary((k) =>
      disturb(k, (exchange) => {
        exchange.connect()();
        exchange.run();
        exchange.connect()();
      }, newestFirst)
    );
  });

  Deno.test(`the new carrier dies later at any boundary, older records ${order}`, () => {
    eachBoundary((k) => {
      for (const later of [0, 1, 2, 5]) {
        const exchange = new MuxExchange();
        let cut = Infinity;
        exchange.run((arrived) => {
          if (arrived >= k && cut === Infinity) {
            exchange.connect()();
            cut = arrived + later;
          }
          if (arrived < cut || exchange.lines.length < 2) return;
          exchange.kill(exchange.lines[1]!);
        }, newestFirst);
        exchange.assertDone();
      }
    });
  });
}

Deno.test("the old carrier dies when the new one is complete at the server, or at both", () => {
  eachBoundary((k) => {
    for (const isComplete of [false, true]) {
      disturb(k, (exchange) => {
        const complete = exchange.connect();
        if (isComplete) complete();
        exchange.kill(exchange.lines[0]!);
        if (!isComplete) complete();
      });
    }
  });
});

Deno.test("the new carrier dies before the client has it: the old one goes on", () => {
  eachBoundary((k) => {
    disturb(k, (exchange) => {
      exchange.connect();
      exchange.kill(exchange.lines[1]!);
    });
    disturb(k, (exchange) => {
      exchange.connect();
      exchange.run(); // the server sends on it, and nobody reads
      exchange.kill(exchange.lines[1]!);
    });
  });
});

Deno.test("two and three carriers die at once", () => {
  eachBoundary((k) => {
    for (const count of [1, 2]) {
      disturb(k, (exchange) => {
        for (let i = 0; i < count; i++) exchange.connect()();
        exchange.killAll();
        exchange.connect()();
      });
    }
  });
});

Deno.test("a carrier that is complete late is not sent on while there is a newer one", () => {
  eachBoundary((k) =>
    disturb(k, (exchange) => {
      const second = exchange.connect();
      exchange.connect()();
      second();
    })
  );
});
