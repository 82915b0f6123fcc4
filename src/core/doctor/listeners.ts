/** A socket that listens, as a line of /proc/net/tcp or tcp6 tells of it (proc_net_tcp(5)). */
export interface ListeningSocket {
  /** It takes connections to all addresses of this machine. */
  readonly isForAll: boolean;
  readonly port: number;
  readonly uid: number;
  /** Number of the socket, by which its process is found. */
  readonly inode: string;
}

const TCP_LISTEN = "0A";

/** Reads the sockets that listen; lines of another form are left out. */
export function readListeners(text: string): ListeningSocket[] {
  return text.split("\n").flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const [, address = "", port] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/
      .exec(fields[1] ?? "") ?? [];
    const [uid, inode] = [fields[7], fields[9]];
    if (port === undefined || fields[3] !== TCP_LISTEN) return [];
    if (uid === undefined || inode === undefined) return [];
    return [{
      isForAll: /^0+$/.test(address),
      port: parseInt(port, 16),
      uid: Number(uid),
      inode,
    }];
  });
}
