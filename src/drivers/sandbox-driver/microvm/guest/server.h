// The server and what it may: a control group, a root of its own, one unprivileged user, a system call filter.
#ifndef SERVER_H
#define SERVER_H
#include <stdint.h>

// Mounts what all servers see alike; done once, before a template is saved.
void root_prepare(void);
// Has node's own pages read, which clones then have in common; it runs no word of a server.
void root_warm(void);
void server_filter(const unsigned char *filter, uint32_t length);
// One line of the order to start: KEY=VALUE.
void server_setting(char *line);
// Starts it and returns its process id; its pipes are streams then. Fails with a reason.
int server_start(void);
// Kills what is left of it; returns 1 when the memory limit was hit.
int server_end(void);
// Where the server's process, before it is the server, writes why it cannot be.
extern int server_reason;
#endif
