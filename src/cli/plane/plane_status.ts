import { TtunError } from "../../base/errors.ts";
import type { ForwardTable } from "../../app/system/forward_table.ts";
import type { ForwardRequest } from "../../core/status/messages.ts";
import type { EndStatus } from "../../core/status/report.ts";

/** Facts for the status socket, and forwards that it may change; a data plane sets both later. */
export class PlaneStatus {
  #describe = (): EndStatus => ({});
  #forwards: ForwardTable | undefined;

  set(describe: () => EndStatus, forwards: ForwardTable | undefined): void {
    this.#describe = describe;
    this.#forwards = forwards;
  }

  describe(): EndStatus {
    return this.#describe();
  }

  /** @throws {TtunError} usage, in_use, privilege */
  changeForwards(request: ForwardRequest): void {
    if (this.#forwards === undefined) {
      throw new TtunError(
        "usage",
        "Cannot change its forwards: it has none; start ttun client with one of -L, -R and -D, or " +
          "with -N",
      );
    }
    if (request.request === "add forward") this.#forwards.add(request.spec);
    else this.#forwards.remove(request.listen, request.protocol);
  }
}
