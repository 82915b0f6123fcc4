/*
 * netem NS1 DEVICE1 NS2 DEVICE2 DELAY_MS LOSS_PERCENT RATE_MBIT QUEUE_MS
 *
 * A path between two new TUN devices in two network namespaces, given by their files: delay, random
 * loss, rate and the length of the queue, each way. Linux's own netem is not in every kernel, and a
 * random drop by iptables on a veth drops whole GSO batches; a TUN device without offloads hands
 * out the packets that a wire would see. Prints a line when the devices are there; runs until it is
 * killed, and the devices go with it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
  LONGEST_PACKET = 1600,
  /* Packets on their way at most, in each direction. */
  ROOM = 16384,
  /* Packets of one direction before the other one has its turn. */
  BATCH = 64,
  /* Ethernet's header and checksum, which count for the rate. */
  FRAMING = 18,
};

struct packet {
  /* Arrives then, in nanoseconds of the monotonic clock. */
  uint64_t due;
  int length;
  unsigned char bytes[LONGEST_PACKET];
};

/* A ring of packets; `first` and `next` count up and are taken modulo ROOM. */
struct direction {
  struct packet *ring;
  unsigned first, next;
  int from, to;
  /* The last byte of what was sent so far leaves then. */
  uint64_t busy_until;
};

static struct {
  double delay_ns, loss, bits_per_ns, queue_ns;
} path;

static uint64_t random_state = 88172645463325252ull;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Xorshift (Marsaglia 2003), from 0 to below 1. */
static double chance(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (random_state >> 11) * (1.0 / 9007199254740992.0);
}

/* Makes a TUN device in the namespace, and comes back from there. */
static int open_device(const char *namespace, const char *name) {
  int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  int there = open(namespace, O_RDONLY | O_CLOEXEC);
  if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0) die(namespace);
  int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (device < 0 || ioctl(device, TUNSETIFF, &request) < 0) die(name);
  if (setns(home, CLONE_NEWNET) < 0) die("setns");
  close(there);
  close(home);
  return device;
}

/* Takes what the sender has: lost, refused by a full queue, or due later. */
static void take(struct direction *d) {
  for (int i = 0; i < BATCH; i++) {
    struct packet *packet = &d->ring[d->next % ROOM];
    packet->length = read(d->from, packet->bytes, LONGEST_PACKET);
    if (packet->length <= 0) return;
    if (chance() < path.loss) continue;
    uint64_t t = now();
    uint64_t begins = d->busy_until > t ? d->busy_until : t;
    if (begins - t > path.queue_ns || d->next - d->first >= ROOM - 2) continue;
    d->busy_until = begins + (uint64_t)((packet->length + FRAMING) * 8 / path.bits_per_ns);
    packet->due = d->busy_until + (uint64_t)path.delay_ns;
    d->next++;
  }
}

/* Gives what is due, and returns when the next one is; all ones if there is none. */
static uint64_t give(struct direction *d) {
  uint64_t t = now();
  for (; d->first != d->next; d->first++) {
    struct packet *packet = &d->ring[d->first % ROOM];
    if (packet->due > t) return packet->due;
    /* A device that is down or full drops it, as a wire's end would. */
    ssize_t written = write(d->to, packet->bytes, packet->length);
    (void)written;
  }
  return ~0ull;
}

int main(int count, char **words) {
  if (count != 9) {
    fprintf(stderr, "netem NS1 DEV1 NS2 DEV2 DELAY_MS LOSS_PERCENT RATE_MBIT QUEUE_MS\n");
    return 2;
  }
  int a = open_device(words[1], words[2]), b = open_device(words[3], words[4]);
  path.delay_ns = atof(words[5]) * 1e6;
  path.loss = atof(words[6]) / 100;
  path.bits_per_ns = atof(words[7]) / 1e3;
  path.queue_ns = atof(words[8]) * 1e6;
  random_state ^= now();
  struct direction there = {.from = a, .to = b}, back = {.from = b, .to = a};
  there.ring = malloc(sizeof(struct packet) * ROOM);
  back.ring = malloc(sizeof(struct packet) * ROOM);
  if (there.ring == NULL || back.ring == NULL) die("malloc");
  printf("ready\n");
  fflush(stdout);
  for (;;) {
    uint64_t t1 = give(&there), t2 = give(&back), t = now();
    uint64_t due = t1 < t2 ? t1 : t2;
    uint64_t wait = due == ~0ull ? 1000000000ull : due > t ? due - t : 0;
    struct timespec pause = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
    struct pollfd polled[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
    ppoll(polled, 2, &pause, NULL);
    if (polled[0].revents & POLLIN) take(&there);
    if (polled[1].revents & POLLIN) take(&back);
  }
}
