/** `ttun service` under OpenRC itself: Debian's packages, unpacked and not installed. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { builtBinary, outside } from "../e2e/binary.ts";
import { Process } from "../process.ts";

/** Moves all below /usr, where the folders of the machine lead to. */
const UNPACK = `
cd "$1"
apt-get -o APT::Sandbox::User=root download openrc libeinfo1 librc1 >/dev/null
mkdir root
for file in *.deb; do dpkg -x "$file" root; done
for folder in bin sbin lib; do
  mkdir -p root/usr/$folder
  cp -a root/$folder/. root/usr/$folder
  rm -r root/$folder
done`;

/** Becomes a machine's first process, in namespaces. $1: the folder, $2: ttun, $3: a script. */
const BOOT = `
mount --make-rprivate /
mkdir "$1/machine"
mount -t tmpfs -o mode=755 tmpfs "$1/machine"
cd "$1/machine"
mkdir up work root
cp -a "$1/root" openrc
mount -t overlay overlay -o "lowerdir=$PWD/openrc:/,upperdir=$PWD/up,workdir=$PWD/work" root
R=$PWD/root
mount -t proc proc $R/proc
mount -t tmpfs -o mode=755 tmpfs $R/dev
for n in null zero full random urandom tty; do touch $R/dev/$n; mount --bind /dev/$n $R/dev/$n; done
mkdir $R/dev/net
mknod -m 666 $R/dev/net/tun c 10 200
mount -t tmpfs -o mode=755 tmpfs $R/run
mount -t tmpfs -o mode=1777 tmpfs $R/tmp
rm -rf $R/etc/ttun $R/etc/init.d/* $R/var/lib/ttun* $R/var/log/ttun
mkdir -p $R/etc/ttun $R/run/openrc $R/etc/insserv.conf.d
cp openrc/etc/init.d/* $R/etc/init.d
touch $R/run/openrc/softlevel $R/etc/insserv.conf
printf '%s\\n' '#!/sbin/openrc-run' 'depend() { provide net; }' >$R/etc/init.d/lab-net
chmod 755 $R/etc/init.d/lab-net
install -m 755 "$2" $R/usr/local/bin/ttun
cd $R
mkdir -p old
pivot_root . old
umount -l /old
ip link set lo up
openrc default </dev/null
exec sh -euc "$3"`;

const SCRIPT = `
umask 077
ttun genkey >/etc/ttun/key
chmod 700 /etc/ttun
cat >/etc/ttun/office.toml <<'END'
[[server]]
listen = "127.0.0.1:443"
key-file = "/etc/ttun/key"
permit-open = "127.0.0.0/8"
no-warm-up = true
END
until_prints() {
  for i in $(seq 300); do
    if ttun status office 2>/dev/null | grep -q "$1"; then return; fi
    sleep 0.1
  done
  ttun status office; ttun service logs office; exit 1
}
process() { ttun status office | sed -n 's/.*process \\([0-9]*\\).*/\\1/p'; }
ttun service install office
test -L /etc/runlevels/default/ttun-office
ttun service start office
until_prints 127.0.0.1:443
ttun service status office
before=$(process)
sed -i 's|"127.0.0.0/8"|["127.0.0.0/8", "192.0.2.0/24"]|' /etc/ttun/office.toml
rc-service ttun-office reload
for i in $(seq 300); do
  if ttun service logs office | grep -q 'rules  permit_open=2'; then break; fi
  sleep 0.1
done
ttun service logs office
test "$(process)" = "$before"
echo "no new privileges: $(grep NoNewPrivs /proc/$before/status)"
kill -KILL $before
for i in $(seq 300); do
  now=$(process 2>/dev/null) || now=
  if [ -n "$now" ] && [ "$now" != "$before" ]; then echo "started again"; break; fi
  sleep 0.1
done
ttun service stop office
ttun service uninstall office
test ! -e /etc/init.d/ttun-office
test ! -L /etc/runlevels/default/ttun-office
echo "nothing runs: $(pgrep -c -x 'ttun|supervise-daemo')" || true
`;

async function unpacked(folder: string): Promise<boolean> {
  try {
    await outside(UNPACK, [folder]);
    return true;
  } catch (error) {
    console.log(`Services under OpenRC are not tested: ${error}`);
    return false;
  }
}

test("OpenRC: a service starts, takes changes, is started again after a kill, and goes", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ttun-test-" });
  try {
    if (!await unpacked(folder)) return;
    const { file } = await builtBinary();
    const boot = ["bash", "-euc", BOOT, "boot", folder, file, SCRIPT];
    const clean = ["env", "-i", `PATH=${Deno.env.get("PATH")}`, "NO_COLOR=1"];
    await using machine = new Process("setpriv", [
      ...["--pdeathsig", "KILL", "--", "unshare", "-m", "-p", "-u", "-i", "-n"],
      ...["--fork", "--kill-child", ...clean, ...boot],
    ]);
    const { code } = await machine.status;
    await machine.closed;
    assert.equal(code, 0, machine.output);
    assert.match(machine.output, /status: started/);
    assert.match(machine.output, /rules {2}permit_open=2/);
    assert.match(machine.output, /no new privileges: NoNewPrivs:\s1/);
    assert.match(machine.output, /^started again$/m);
    assert.match(machine.output, /^nothing runs: 0$/m);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
