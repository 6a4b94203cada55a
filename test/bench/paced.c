// paced RATE SECONDS CONNECTIONS IP PORT PATH: an open-loop HTTP/1.1 keep-alive client. Requests are due at even
// intervals whether or not the earlier ones were answered, and latency counts from the moment a request was due, so
// that a stall shows up in full. Prints one line: n= err= mean= p50= p90= p99= p999= max= in microseconds.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

typedef struct {
  int fd, busy, headLength;
  int64_t due;
  long need, got;
  char head[4096];
} Connection;

static int byValue(const void *a, const void *b) {
  double x = *(double *)a, y = *(double *)b;
  return x < y ? -1 : x > y;
}

// Takes what was read of one answer; returns 1 when it is whole.
static int take(Connection *c, const char *bytes, long count, long *errors) {
  c->got += count;
  if (c->need < 0) {
    long room = (long)sizeof c->head - 1 - c->headLength;
    long copied = count < room ? count : room;
    memcpy(c->head + c->headLength, bytes, copied);
    c->headLength += copied;
    c->head[c->headLength] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (end) {
      char *length = strcasestr(c->head, "content-length:");
      c->need = end + 4 - c->head + (length && length < end ? atol(length + 15) : 0);
      if (strncmp(c->head + 9, "200", 3)) (*errors)++;
    }
  }
  return c->need >= 0 && c->got >= c->need;
}

int main(int argc, char **argv) {
  if (argc != 7) return 2;
  int rate = atoi(argv[1]), connections = atoi(argv[3]), one = 1;
  double seconds = atof(argv[2]);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[5]))};
  inet_aton(argv[4], &address.sin_addr);
  char request[512];
  int requestLength = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: b.mesh\r\n\r\n", argv[6]);
  Connection *all = calloc(connections, sizeof(Connection));
  int poll = epoll_create1(0);
  for (int i = 0; i < connections; i++) {
    all[i].fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(all[i].fd, (void *)&address, sizeof address)) {
      perror("connect");
      return 1;
    }
    setsockopt(all[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
    epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event);
  }
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
  epoll_ctl(poll, EPOLL_CTL_ADD, timer, &event);

  int64_t interval = 1000000000LL / rate, start = now() + interval;
  long total = rate * seconds, due = 0, sent = 0, done = 0, errors = 0, warm = rate / 2, measured = 0;
  double *latencies = malloc(sizeof(double) * (total + 1));
  struct itimerspec every = {{0, interval}, {start / 1000000000, start % 1000000000}};
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &every, 0);
  int64_t end = start + (int64_t)(seconds * 1e9) + 2000000000LL;
  int turn = 0;
  while (done < total && now() < end) {
    while (sent < due) {
      int free = -1;
      for (int j = 0; j < connections && free < 0; j++)
        if (!all[(turn + j) % connections].busy) free = (turn + j) % connections;
      if (free < 0) break;
      turn = free + 1;
      Connection *c = &all[free];
      c->busy = 1, c->due = start + sent * interval, c->need = -1, c->got = 0, c->headLength = 0;
      sent++;
      if (write(c->fd, request, requestLength) != requestLength) errors++;
    }
    struct epoll_event events[64];
    int count = epoll_wait(poll, events, 64, 100);
    for (int k = 0; k < count; k++) {
      if (events[k].data.u32 == UINT32_MAX) {
        uint64_t ticks;
        if (read(timer, &ticks, sizeof ticks) == sizeof ticks) due = due + (long)ticks < total ? due + (long)ticks : total;
        continue;
      }
      Connection *c = &all[events[k].data.u32];
      char bytes[65536];
      long got = read(c->fd, bytes, sizeof bytes);
      if (got <= 0) {
        fprintf(stderr, "a connection was closed\n");
        return 1;
      }
      if (!take(c, bytes, got, &errors)) continue;
      c->busy = 0;
      if (++done > warm) latencies[measured++] = (now() - c->due) / 1000.0;
    }
  }
  if (measured == 0) return 1;
  qsort(latencies, measured, sizeof(double), byValue);
  double sum = 0;
  for (long i = 0; i < measured; i++) sum += latencies[i];
#define AT(share) latencies[(long)(measured * (share))]
  printf("n=%ld err=%ld mean=%.1f p50=%.1f p90=%.1f p99=%.1f p999=%.1f max=%.1f\n", done, errors + (total - done),
         sum / measured, AT(.5), AT(.9), AT(.99), AT(.999), latencies[measured - 1]);
}
