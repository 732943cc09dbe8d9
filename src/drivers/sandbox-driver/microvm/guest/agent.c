// The guest's only program of ours, its first process: prepares what all clones share, and in a clone takes new
// randomness and the time, then starts the server and carries its bytes.
#define _GNU_SOURCE
#include "server.h"
#include "wire.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/random.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int server;

// The driver gives the sandbox up and says why.
void fail(const char *format, ...) {
  char reason[1024];
  va_list values;
  va_start(values, format);
  int length = vsnprintf(reason, sizeof reason, format, values);
  va_end(values);
  if (length >= (int)sizeof reason) length = sizeof reason - 1;
  // In the server's process, before it is the server: its parent passes it on.
  if (getpid() != 1) {
    dprintf(server_reason, "%s", reason);
    _exit(127);
  }
  // Without a wire the machine ends with its first process.
  if (wire_descriptor() < 0) _exit(1);
  wire_send(FAILED, ORDERS, reason, length);
  for (;;) pause();
}

static void load_modules(void) {
  glob_t found;
  // Their names begin with the order in which they depend on each other.
  if (glob("/modules/*.ko", 0, 0, &found)) fail("no kernel modules");
  for (size_t i = 0; i < found.gl_pathc; i++) {
    int file = open(found.gl_pathv[i], O_RDONLY | O_CLOEXEC);
    if (syscall(SYS_finit_module, file, "", 0) && errno != EEXIST) fail("%s: %s", found.gl_pathv[i], strerror(errno));
    close(file);
  }
  globfree(&found);
}

static void loopback(void) {
  int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  if (ioctl(any, SIOCSIFFLAGS, &request)) fail("loopback: %s", strerror(errno));
  close(any);
}

// The time in nanoseconds, then the seed: what makes this clone unlike every other of its template.
static void reseed(const unsigned char *payload, uint32_t length) {
  enum { SEED = 64 };
  uint64_t now;
  if (length != sizeof now + SEED) fail("seed of %u bytes", length);
  memcpy(&now, payload, sizeof now);
  struct timespec time = {now / 1000000000, now % 1000000000};
  struct { struct rand_pool_info head; unsigned char seed[SEED]; } entropy = {{SEED * 8, SEED}, {0}};
  memcpy(entropy.seed, payload + sizeof now, SEED);
  int random = open("/dev/urandom", O_RDWR | O_CLOEXEC);
  if (ioctl(random, RNDADDENTROPY, &entropy) || ioctl(random, RNDRESEEDCRNG)) fail("randomness: %s", strerror(errno));
  close(random);
  if (clock_settime(CLOCK_REALTIME, &time)) fail("clock: %s", strerror(errno));
}

static void start(char *settings, uint32_t length) {
  if (length == 0 || settings[length - 1]) fail("settings are not terminated");
  loopback();
  for (char *line = settings; line < settings + length;) {
    char *next = line + strlen(line) + 1;
    server_setting(line);
    line = next;
  }
  server = server_start();
  wire_send(STARTED, ORDERS, 0, 0);
}

void obey(uint16_t kind, unsigned char *payload, uint32_t length) {
  switch (kind) {
    case RESEED: return reseed(payload, length);
    case FILTER: return server_filter(payload, length);
    case START: return start((char *)payload, length);
    default: fail("order %u", kind);
  }
}

static void ended(int status) {
  int32_t exit[3] = {-1, 0, server_end()};
  if (WIFEXITED(status)) exit[0] = WEXITSTATUS(status);
  else exit[1] = WTERMSIG(status);
  wire_send(EXITED, ORDERS, exit, sizeof exit);
}

static void child(int signal) { (void)signal; }

int main(void) {
  mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, 0);
  mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
  mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int i = 0; i < 3; i++) dup2(nothing, i);
  load_modules();
  wire_open();
  root_prepare();
  root_warm();
  signal(SIGPIPE, SIG_IGN);
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, 0);
  sigaction(SIGCHLD, &(struct sigaction){.sa_handler = child}, 0);
  wire_send(READY, ORDERS, 0, 0);
  for (;;) {
    streams_serve();
    int status;
    for (int pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) if (pid == server) ended(status);
  }
}
