import { fromLatin1, toLatin1 } from "../../../base/latin1.ts";
import type { Failure } from "../failure.ts";
import type { HttpAction, TargetEnd } from "./action.ts";
import { crlf, lend } from "../../http/http1/http1_fixture.ts";
import { HttpProxy } from "./proxy.ts";
import type { CheckPassword } from "../socks/socks5_server.ts";
import { formatTarget } from "../../../base/target.ts";

/** Actions as lines to compare; bytes that go the same way one after the other are one line. */
export function told(actions: readonly HttpAction[]): string[] {
  const lines: string[] = [];
  const say = (who: string, bytes: Uint8Array) => {
    if (bytes.length === 0) throw new Error("An action without bytes");
    const text = fromLatin1(bytes);
    if (lines.at(-1)?.startsWith(who)) lines.push(lines.pop() + text);
    else lines.push(who + text);
  };
  for (const action of actions) {
    switch (action.kind) {
      case "connect":
        lines.push(`connect ${formatTarget(action.target)}`);
        break;
      case "toClient":
        say("client: ", action.bytes);
        break;
      case "toTarget":
        say("target: ", action.bytes);
        break;
      case "endTarget":
        lines.push("end target");
        break;
      case "closeTarget":
        lines.push("close target");
        break;
      case "endClient":
        lines.push(`end client (${action.how})`);
        break;
      case "raw": {
        const ended = action.clientEnded ? " client ended" : "";
        lines.push(
          `raw target:${fromLatin1(action.toTarget)} client:${fromLatin1(action.toClient)}${ended}`,
        );
        break;
      }
    }
  }
  return lines;
}

/** A proxy whose conversation is written down as text, line ends as `\n`. */
export class Talk {
  readonly proxy: HttpProxy;

  constructor(auth: CheckPassword | null = null) {
    this.proxy = new HttpProxy({ auth });
  }

  client(text: string): string[] {
    return lend(toLatin1(crlf(text)), (bytes) => plain(this.proxy.fromClient(bytes)));
  }

  target(text: string): string[] {
    return lend(toLatin1(crlf(text)), (bytes) => plain(this.proxy.fromTarget(bytes)));
  }

  clientEnded(): string[] {
    return plain(this.proxy.clientEnded());
  }

  connected(): string[] {
    return plain(this.proxy.connected());
  }

  connectFailed(failure: Failure): string[] {
    return plain(this.proxy.connectFailed(failure));
  }

  targetEnded(how: TargetEnd): string[] {
    return plain(this.proxy.targetEnded(how));
  }
}

function plain(actions: readonly HttpAction[]): string[] {
  return told(actions).map((line) => line.replaceAll("\r\n", "\n"));
}
