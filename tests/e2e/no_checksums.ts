/**
 * Takes the offload of checksums from a device, and with it all super-packets: what leaves there is
 * what a cable would carry. (`ethtool -K DEVICE tx off`, without ethtool.) no_checksums.ts DEVICE
 */
import { openLibc } from "../../ffi/linux/libc.ts";
import { check, cString } from "../../ffi/native.ts";
import { AF_INET } from "../../ffi/linux/sockaddr.ts";

const SOCK_DGRAM = 2;
const SIOCETHTOOL = 0x8946n;
const ETHTOOL_STXCSUM = 0x17;
const IFREQ_SIZE = 40;
const IFNAMSIZ = 16;

using libc = openLibc();
const fd = check("socket", libc.socket(AF_INET, SOCK_DGRAM, 0));
const value = new Uint32Array([ETHTOOL_STXCSUM, 0]); // struct ethtool_value
const request = new Uint8Array(IFREQ_SIZE);
request.set(cString(Deno.args[0]!));
const pointer = Deno.UnsafePointer.value(Deno.UnsafePointer.of(value));
new DataView(request.buffer).setBigUint64(IFNAMSIZ, pointer, true);
check("SIOCETHTOOL", libc.ioctl(fd, SIOCETHTOOL, request));
libc.close(fd);
