/*
 * netem NS1 DEVICE1 NS2 DEVICE2 [NAME=NUMBER ...] [back NAME=NUMBER ...]
 *
 * A path between two new TUN devices in two network namespaces, given by their files, with these
 * properties each way; those behind `back` are for the way from the second device alone:
 *
 *   delay      milliseconds that each packet takes
 *   rate       megabits a second; 0, the default, has none and no queue
 *   queue      milliseconds of the rate that wait at most; what comes then is dropped
 *   loss       percent of the packets
 *   burst      packets lost in a row on average (Gilbert 1960); 1, the default, loses each by itself
 *   duplicate  percent of the packets that come twice
 *   reorder    percent of the packets that come later than others behind them
 *   late       milliseconds that these take longer; 5 by default
 *
 * Linux's own netem is not in every kernel, and a random drop by iptables on a veth drops whole GSO
 * batches; a TUN device without offloads hands out the packets that a wire would see. Prints a line
 * when the devices are there; runs until it is killed, and the devices go with it.
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

/* Packets in the order in which they are due; `first` and `next` count up, modulo ROOM. */
struct ring {
  struct packet *packets;
  unsigned first, next;
};

/* Numbers as they were given, in the order of `names`. */
enum { DELAY, RATE, QUEUE, LOSS, BURST, DUPLICATE, REORDER, LATE, NUMBERS };
static const char *const names[NUMBERS] = {"delay", "rate",      "queue",   "loss",
                                           "burst", "duplicate", "reorder", "late"};

struct direction {
  double numbers[NUMBERS];
  int from, to;
  /* All take as long in each ring, so its order is that of arrival. */
  struct ring usual, late;
  /* The last byte of what was sent so far leaves then. */
  uint64_t busy_until;
  int is_losing;
};

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

/* Tells whether a packet is lost: a chain of two states, of which one loses all. */
static int is_lost(struct direction *d) {
  double loss = d->numbers[LOSS] / 100, leaves = 1 / d->numbers[BURST];
  if (loss >= 1) return 1;
  double begins = d->numbers[BURST] > 1 ? leaves * loss / (1 - loss) : loss;
  d->is_losing = d->is_losing && d->numbers[BURST] > 1 ? chance() >= leaves : chance() < begins;
  return d->is_losing;
}

/* Sends a packet behind what waits already; a full queue drops it. */
static void put(struct direction *d, const unsigned char *bytes, int length) {
  const double *n = d->numbers;
  int is_late = chance() < n[REORDER] / 100;
  struct ring *ring = is_late ? &d->late : &d->usual;
  uint64_t t = now(), begins = d->busy_until > t ? d->busy_until : t;
  if (ring->next - ring->first >= ROOM) return;
  if (n[RATE] > 0) {
    if (begins - t > n[QUEUE] * 1e6) return;
    begins += (uint64_t)((length + FRAMING) * 8e3 / n[RATE]);
    d->busy_until = begins;
  }
  struct packet *packet = &ring->packets[ring->next++ % ROOM];
  packet->due = begins + (uint64_t)((n[DELAY] + (is_late ? n[LATE] : 0)) * 1e6);
  packet->length = length;
  memcpy(packet->bytes, bytes, length);
}

/* Takes what the sender has. */
static void take(struct direction *d) {
  unsigned char bytes[LONGEST_PACKET];
  for (int i = 0; i < BATCH; i++) {
    int length = read(d->from, bytes, sizeof bytes);
    if (length <= 0) return;
    if (is_lost(d)) continue;
    put(d, bytes, length);
    if (chance() < d->numbers[DUPLICATE] / 100) put(d, bytes, length);
  }
}

/* Gives what is due, and returns when the next one is; all ones if there is none. */
static uint64_t give_from(struct ring *ring, int to) {
  uint64_t t = now();
  for (; ring->first != ring->next; ring->first++) {
    struct packet *packet = &ring->packets[ring->first % ROOM];
    if (packet->due > t) return packet->due;
    /* A device that is down or full drops it, as a wire's end would. */
    ssize_t written = write(to, packet->bytes, packet->length);
    (void)written;
  }
  return ~0ull;
}

static uint64_t give(struct direction *d) {
  uint64_t a = give_from(&d->usual, d->to), b = give_from(&d->late, d->to);
  return a < b ? a : b;
}

static void usage(const char *word) {
  fprintf(stderr, "netem: %s\nnetem NS1 DEV1 NS2 DEV2 [NAME=NUMBER ...] [back ...]\n", word);
  exit(2);
}

/* Reads NAME=NUMBER for one way, and for the other unless it is NULL. */
static void set(const char *word, struct direction *one, struct direction *other) {
  for (int i = 0; i < NUMBERS; i++) {
    size_t size = strlen(names[i]);
    if (strncmp(word, names[i], size) != 0 || word[size] != '=') continue;
    one->numbers[i] = atof(word + size + 1);
    if (other != NULL) other->numbers[i] = one->numbers[i];
    return;
  }
  usage(word);
}

static void open_direction(struct direction *d, int from, int to) {
  d->from = from;
  d->to = to;
  d->usual.packets = malloc(sizeof(struct packet) * ROOM);
  d->late.packets = malloc(sizeof(struct packet) * ROOM);
  if (d->usual.packets == NULL || d->late.packets == NULL) die("malloc");
}

int main(int count, char **words) {
  if (count < 5) usage("too few words");
  struct direction there = {.numbers = {[BURST] = 1, [LATE] = 5}}, back = there;
  int is_back = 0;
  for (int i = 5; i < count; i++) {
    if (strcmp(words[i], "back") == 0) is_back = 1;
    else if (is_back) set(words[i], &back, NULL);
    else set(words[i], &there, &back);
  }
  int a = open_device(words[1], words[2]), b = open_device(words[3], words[4]);
  open_direction(&there, a, b);
  open_direction(&back, b, a);
  random_state ^= now();
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
