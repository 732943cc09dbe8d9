#define _GNU_SOURCE
#include "server.h"
#include "relay.h"
#include "wire.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, MOST = 4096 };

static struct sock_filter filter[4096];
static unsigned short filter_length;
static char *arguments[MOST + 1], *environment[MOST + 1];
static int argument_count, environment_count;
static char memory[32], pids[32], scratch[64];

static void must(int result, const char *what) {
  if (result < 0) fail("%s: %s", what, strerror(errno));
}

static void text(const char *path, const char *content) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0444);
  must(file, path);
  must(write(file, content, strlen(content)), path);
  close(file);
}

// Those above a path, as far as they are missing.
static void directories(char *path) {
  for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    mkdir(path, 0755);
    *slash = '/';
  }
}

static void device(const char *path, int minor) {
  must(mknod(path, S_IFCHR | 0666, makedev(1, minor)), path);
  must(chmod(path, 0666), path);
}

// Attached with the name as its serial number.
static void image(const char *name, const char *at) {
  char path[64], serial[32];
  for (char letter = 'a'; letter <= 'z'; letter++) {
    snprintf(path, sizeof path, "/sys/block/vd%c/serial", letter);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) break;
    ssize_t length = read(file, serial, sizeof serial - 1);
    close(file);
    serial[length > 0 ? length : 0] = 0;
    if (strcmp(serial, name)) continue;
    snprintf(path, sizeof path, "/dev/vd%c", letter);
    must(mount(path, at, "erofs", MS_RDONLY | MS_NOSUID | MS_NODEV, 0), at);
    return;
  }
  fail("no image %s", name);
}

// What /proc shows of the kernel to everybody.
static const char *const masked[] = {"cmdline", "kallsyms", "key-users", "keys", "modules", "mtrr", "sched_debug", "config.gz"};

void root_prepare(void) {
  // Whoever asks for more memory than there is meets the limit when it uses it, as on the host.
  text("/proc/sys/vm/overcommit_memory", "1");
  text("/proc/sys/user/max_user_namespaces", "0");
  must(mount("cgroup2", "/groups", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0), "cgroup2");
  text("/groups/cgroup.subtree_control", "+memory +pids");
  must(mkdir("/groups/server", 0755), "group");
  must(mount("root", "/root", "tmpfs", MS_NOSUID, "mode=755,size=4m"), "root");
  must(chdir("/root"), "root");
  const char *const places[] = {"usr", "srv", "etc", "proc", "dev", "tmp", "opt", "opt/node", "opt/node/bin"};
  for (unsigned i = 0; i < sizeof places / sizeof *places; i++) must(mkdir(places[i], 0755), places[i]);
  image("system", "usr");
  image("node", "opt/node/bin");
  image("server", "srv");
  const char *const links[][2] = {{"usr/bin", "bin"}, {"usr/sbin", "sbin"}, {"usr/lib", "lib"}, {"usr/lib64", "lib64"},
    {"/proc/self/fd", "dev/fd"}, {"/proc/self/fd/0", "dev/stdin"}, {"/proc/self/fd/1", "dev/stdout"},
    {"/proc/self/fd/2", "dev/stderr"}, {"/tmp", "dev/shm"}};
  for (unsigned i = 0; i < sizeof links / sizeof *links; i++) must(symlink(links[i][0], links[i][1]), links[i][1]);
  device("dev/null", 3);
  device("dev/zero", 5);
  device("dev/full", 7);
  device("dev/random", 8);
  device("dev/urandom", 9);
  must(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=invisible"), "proc");
  must(mount("proc/sys", "proc/sys", 0, MS_BIND, 0), "proc/sys");
  must(mount(0, "proc/sys", 0, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, 0), "proc/sys");
  for (unsigned i = 0; i < sizeof masked / sizeof *masked; i++) {
    char path[64];
    snprintf(path, sizeof path, "proc/%s", masked[i]);
    if (!access(path, F_OK)) must(mount("dev/null", path, 0, MS_BIND, 0), path);
  }
}

void root_warm(void) {
  int pid = fork();
  must(pid, "fork");
  if (pid == 0) {
    must(chroot("/root"), "root");
    must(setresgid(NOBODY, NOBODY, NOBODY), "gid");
    must(setresuid(NOBODY, NOBODY, NOBODY), "uid");
    execl("/opt/node/bin/node", "node", "-e", "0", (char *)0);
    _exit(1);
  }
  waitpid(pid, 0, 0);
}

void server_filter(const unsigned char *bytes, uint32_t length) {
  if (length > sizeof filter || length % sizeof *filter) fail("filter of %u bytes", length);
  memcpy(filter, bytes, length);
  filter_length = length / sizeof *filter;
}

// A directory of the host, or one file in it: TAG MODE NAME TARGET; NAME is "." for the directory itself.
static void declared(char *line) {
  char *tag = strsep(&line, " "), *mode = strsep(&line, " "), *name = strsep(&line, " "), *target = line;
  if (!target) fail("mount");
  char whole[4096], staged[64], from[4400];
  snprintf(whole, sizeof whole, "/root%s", target);
  snprintf(staged, sizeof staged, "/mounts/%s", tag);
  snprintf(from, sizeof from, "%s/%s", staged, name);
  unsigned long flags = MS_NOSUID | MS_NODEV | (strcmp(mode, "rw") ? MS_RDONLY : 0);
  mkdir("/mounts", 0700);
  must(mkdir(staged, 0700), staged);
  must(mount(tag, staged, "9p", flags, "trans=virtio,version=9p2000.L,msize=131072,access=client"), target);
  directories(whole);
  if (strcmp(name, ".")) text(whole, "");
  else must(mkdir(whole, 0755), target);
  must(mount(from, whole, 0, MS_BIND, 0), target);
}

// PATH CONTENT
static void own_file(char *line) {
  char *path = strsep(&line, " "), whole[256];
  if (!line) fail("file");
  snprintf(whole, sizeof whole, "/root%s", path);
  directories(whole);
  text(whole, line);
}

void server_setting(char *line) {
  char *value = strchr(line, '=');
  if (!value) fail("setting %s", line);
  *value++ = 0;
  if (!strcmp(line, "argument") && argument_count < MOST) arguments[argument_count++] = strdup(value);
  else if (!strcmp(line, "variable") && environment_count < MOST) environment[environment_count++] = strdup(value);
  else if (!strcmp(line, "memory")) snprintf(memory, sizeof memory, "%s", value);
  else if (!strcmp(line, "pids")) snprintf(pids, sizeof pids, "%s", value);
  else if (!strcmp(line, "scratch")) snprintf(scratch, sizeof scratch, "mode=1777,size=%s", value);
  else if (!strcmp(line, "file")) own_file(value);
  else if (!strcmp(line, "mount")) declared(value);
  else if (!strcmp(line, "listen")) relay_listen(value);
  else fail("setting %s", line);
}

static void limit(int resource, rlim_t most) {
  struct rlimit both = {most, most};
  must(setrlimit(resource, &both), "limit");
}

int server_reason = 2;

// In the server's process, until it is the server.
static void become(void) {
  must(unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS), "namespaces");
  must(sethostname("sandbox", 7), "host name");
  must(chdir("/root"), "root");
  must(mount(".", "/", 0, MS_MOVE, 0), "root");
  must(chroot("."), "root");
  must(chdir("/srv"), "/srv");
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, 4096);
  for (int capability = 0; capability < 64; capability++) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  must(setgroups(0, 0), "groups");
  must(setresgid(NOBODY, NOBODY, NOBODY), "gid");
  must(setresuid(NOBODY, NOBODY, NOBODY), "uid");
  must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
  setsid();
  signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, 0);
  struct sock_fprog program = {filter_length, filter};
  must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "seccomp");
  environ = environment;
  execvp(arguments[0], arguments);
  fail("%s: %s", arguments[0], strerror(errno));
}

int server_start(void) {
  if (!filter_length || !argument_count || !*memory || !*pids || !*scratch) fail("a setting is missing");
  text("/groups/server/memory.max", memory);
  text("/groups/server/pids.max", pids);
  must(mount("scratch", "/root/tmp", "tmpfs", MS_NOSUID | MS_NODEV, scratch), "scratch");
  must(mount(0, "/root", 0, MS_REMOUNT | MS_RDONLY | MS_NOSUID, 0), "root");
  int in[2], out[2], error[2], reason[2];
  if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(error, O_CLOEXEC) || pipe2(reason, O_CLOEXEC)) fail("pipes");
  int pid = fork();
  must(pid, "fork");
  if (pid == 0) {
    server_reason = reason[1];
    text("/groups/server/cgroup.procs", "0");
    dup2(in[0], 0);
    dup2(out[1], 1);
    dup2(error[1], 2);
    become();
  }
  close(in[0]), close(out[1]), close(error[1]), close(reason[1]);
  char why[512];
  ssize_t length = read(reason[0], why, sizeof why - 1);
  if (length > 0) fail("%.*s", (int)length, why);
  close(reason[0]);
  fcntl(in[1], F_SETFL, O_NONBLOCK), fcntl(out[0], F_SETFL, O_NONBLOCK), fcntl(error[0], F_SETFL, O_NONBLOCK);
  stream_open(STDIN, -1, in[1]);
  stream_open(STDOUT, out[0], -1);
  stream_open(STDERR, error[0], -1);
  return pid;
}

int server_end(void) {
  text("/groups/server/cgroup.kill", "1");
  char events[256] = "";
  int file = open("/groups/server/memory.events", O_RDONLY | O_CLOEXEC);
  if (file >= 0 && read(file, events, sizeof events - 1) < 0) *events = 0;
  close(file);
  char *kills = strstr(events, "oom_kill ");
  return kills && atoi(kills + 9) > 0;
}
