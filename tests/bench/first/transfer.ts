/** The first second of a transfer through a tunnel that nothing has gone through yet, and the next ones. */
import type { Mtu, ReadyContender } from "../contender.ts";
import { iperfSeconds } from "../iperf.ts";
import { median } from "../statistics.ts";
import { withFreshTunnel } from "../tunnel.ts";

const SECONDS = 5;

/** Mbit/s from the client to the server. */
export interface TransferFigures {
  firstSecond: number;
  /** Median of the other seconds. */
  later: number;
}

export function measureTransfer(
  contender: ReadyContender,
  mtu: Mtu,
  congestion: string,
): Promise<TransferFigures> {
  return withFreshTunnel(contender, mtu, async (hosts) => {
    const [firstSecond = NaN, ...others] = await iperfSeconds(hosts, contender.inner, SECONDS);
    return { firstSecond, later: median(others) };
  }, congestion);
}
