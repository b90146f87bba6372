/* Quadlane's runtime: runs compiled networks (.qlp plan files).
 *
 *   ql_plan *plan; ql_stream *stream; ql_error error = QL_ERROR_INIT;
 *   if (ql_plan_open("net.qlp", NULL, &plan, &error)) fail(error.message);
 *   if (ql_stream_open(plan, NULL, &stream, &error)) fail(error.message);
 *   ql_stream_bind_input(stream, 0, image, bytes, &error);      // no copy: read and written in place
 *   ql_stream_bind_output(stream, 0, labels, bytes, &error);
 *   ql_stream_run(stream, NULL, &error);                        // as often as you like
 *
 * A plan is immutable and may be used from all threads; its streams keep it alive. A stream runs one request at a time
 * and belongs to one thread at a time, but for ql_stream_cancel. No function throws, prints, or reads the environment.
 * Functions return 0 or a code; `error`, which may be NULL, then says why in one sentence. Structs begin with their
 * size, set by the QL_..._INIT macros, so that they may grow; NULL options mean the defaults. */
#ifndef QUADLANE_H
#define QUADLANE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define QL_API __attribute__((visibility("default")))
#else
#define QL_API
#endif

#define QL_VERSION_MAJOR 0
#define QL_VERSION_MINOR 1

typedef enum ql_code {
  QL_OK = 0,
  QL_INVALID_ARGUMENT = 1,
  QL_INVALID_PLAN = 2, /* damaged, or not a plan */
  QL_UNSUPPORTED = 3,  /* a newer format, another instruction set, ... */
  QL_OUT_OF_MEMORY = 4,
  QL_IO = 5,
  QL_INTERNAL = 6,
  QL_CANCELLED = 7,
  QL_TIMED_OUT = 8,
  QL_BUSY = 9 /* the stream has a request already */
} ql_code;

typedef struct ql_error {
  size_t size;
  ql_code code;
  char message[500];
} ql_error;
#define QL_ERROR_INIT \
  { sizeof(ql_error), QL_OK, "" }

typedef enum ql_type {
  QL_F32,
  QL_F64,
  QL_F16,
  QL_U8,
  QL_S8,
  QL_U16,
  QL_S16,
  QL_S32,
  QL_U32,
  QL_S64,
  QL_U64,
  QL_BOOL
} ql_type;
typedef struct ql_tensor_info {
  size_t size;
  const char* name; /* the plan's */
  ql_type type;
  int32_t rank;
  int64_t extents[8];
  size_t bytes; /* of the dense tensor */
} ql_tensor_info;
#define QL_TENSOR_INFO_INIT \
  { sizeof(ql_tensor_info), NULL, QL_F32, 0, {0}, 0 }

/* Of large blocks: activations. Zeroed afterwards. numa_node -1: none wanted. */
typedef struct ql_allocator {
  void* (*allocate)(void* user, size_t bytes, size_t alignment, int numa_node);
  void (*release)(void* user, void* memory, size_t bytes);
  void* user;
} ql_allocator;
/* Calls work(work_user, m) for each m of 0 to members - 1, in any order, on any threads, and returns when all returned.
 */
typedef struct ql_executor {
  void (*run)(void* user, int members, void (*work)(void* work_user, int member), void* work_user);
  void* user;
} ql_executor;

typedef struct ql_plan ql_plan;
typedef struct ql_stream ql_stream;

typedef struct ql_plan_options {
  size_t size;
  /* A plan with code is a program. Where hashes or keys are given, only files of one of these SHA-256 or signed by one
   * of these keys are opened; 64 hexadecimal digits each. */
  const char* const* allowed_sha256;
  size_t allowed_count;
  int refuse_reference; /* 1: an error instead of the slow scalar path where no code of the file runs here */
  void (*log)(void* user, const char* line); /* told which way runs, and why */
  void* log_user;
  /* 1: refuse the plan unless its golden input gives the golden outputs on this machine; the golden outputs are those
   * of the file's code, so a plan that runs on the reference path is refused */
  int self_test;
  const char* const* trusted_keys; /* Ed25519 public keys */
  size_t trusted_count;
  size_t max_file_bytes;  /* a larger file is refused; 0: 16 GiB */
  size_t max_arena_bytes; /* a plan whose streams need more is refused; 0: 16 GiB */
} ql_plan_options;
#define QL_PLAN_OPTIONS_INIT \
  { sizeof(ql_plan_options), NULL, 0, 0, NULL, NULL, 0, NULL, 0, 0, 0 }

QL_API const char* ql_version(void);
QL_API ql_code ql_plan_open(const char* path, const ql_plan_options* options, ql_plan** plan, ql_error* error);
QL_API void ql_plan_close(ql_plan* plan); /* NULL is fine; streams stay usable */
QL_API size_t ql_plan_inputs(const ql_plan* plan);
QL_API size_t ql_plan_outputs(const ql_plan* plan);
QL_API ql_code ql_plan_input(const ql_plan* plan, size_t index, ql_tensor_info* info, ql_error* error);
QL_API ql_code ql_plan_output(const ql_plan* plan, size_t index, ql_tensor_info* info, ql_error* error);
QL_API const char* ql_plan_isa(const ql_plan* plan); /* "avx2" */
QL_API const char* ql_plan_way(const ql_plan* plan); /* "mapped from the plan file", "reference: ..." */

typedef struct ql_memory {
  size_t size;
  size_t weight_bytes; /* mapped, shared by all streams and processes; on the reference path allocated */
  size_t stream_bytes; /* of each stream */
} ql_memory;
#define QL_MEMORY_INIT \
  { sizeof(ql_memory), 0, 0 }
/* What opening and running a plan takes, before anything of that size is allocated: but where the plan runs on the
 * reference path, whose weights are made to be counted. No self-test runs. */
QL_API ql_code ql_query_memory(const char* path, const ql_plan_options* options, ql_memory* memory, ql_error* error);

typedef struct ql_stream_options {
  size_t size;
  int threads;   /* that share one request; 0: 1 */
  int numa_node; /* -1: wherever the caller runs */
  int pin;       /* bind threads to cores, from first_core of the affinity mask on */
  int first_core;
  const ql_allocator* allocator; /* copied */
  const ql_executor* executor;   /* copied; threads then come from it alone */
  /* -1, 0 or 1. Threads that several streams want go to those of higher priority first; the thread that serves what is
   * submitted to a stream of -1 leaves the processor to the rest of the machine (10 nicer than the process). */
  int priority;
} ql_stream_options;
#define QL_STREAM_OPTIONS_INIT \
  { sizeof(ql_stream_options), 1, -1, 0, 0, NULL, NULL, 0 }

QL_API ql_code ql_stream_open(ql_plan* plan, const ql_stream_options* options, ql_stream** stream, ql_error* error);
QL_API void ql_stream_close(ql_stream* stream); /* waits for a submitted request */
/* Buffers stay the caller's and are used in place until another one is bound; `bytes` must be the tensor's. QL_BUSY
 * while a request runs. */
QL_API ql_code ql_stream_bind_input(ql_stream* stream, size_t index, const void* data, size_t bytes, ql_error* error);
QL_API ql_code ql_stream_bind_output(ql_stream* stream, size_t index, void* data, size_t bytes, ql_error* error);

typedef struct ql_run_options {
  size_t size;
  double timeout_seconds; /* 0: none; looked at between layers */
} ql_run_options;
#define QL_RUN_OPTIONS_INIT \
  { sizeof(ql_run_options), 0 }

QL_API ql_code ql_stream_run(ql_stream* stream, const ql_run_options* options, ql_error* error);
/* Starts a request on a thread of the stream's own; `done` (may be NULL) is called there when it has ended, with its
 * outcome. Then, or after ql_stream_wait, the stream takes the next one. `done` may not close the stream, on whose
 * thread it runs. */
typedef void (*ql_done)(void* user, ql_code code, const char* message);
QL_API ql_code ql_stream_submit(ql_stream* stream, const ql_run_options* options, ql_done done, void* user,
                                ql_error* error);
QL_API ql_code ql_stream_wait(ql_stream* stream, ql_error* error); /* the outcome of the submitted request */
QL_API void ql_stream_cancel(ql_stream* stream); /* from any thread: the request that runs ends at its next layer */

#ifdef __cplusplus
}
#endif
#endif
