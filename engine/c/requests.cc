// Running: now, or on the stream's own thread.
#include <sys/resource.h>

#include <algorithm>
#include <cstring>

#include "engine/c/handles.h"

using namespace quadlane;
using namespace quadlane::c;

ql_code ql_stream::run(const ql_run_options& how, ql_error* error) {
  return guarded(error, [&]() -> Status {
    for (size_t i = 0; i < inputs.size(); ++i)
      if (!inputs[i].data) return invalid_argument("nothing is bound to input '", stream.plan().inputs[i].name, "'");
    for (size_t i = 0; i < outputs.size(); ++i)
      if (!outputs[i].data) return invalid_argument("nothing is bound to output '", stream.plan().outputs[i].name, "'");
    run::RunControl control;
    control.cancel = &cancel;
    if (how.timeout_seconds > 0)
      control.deadline = std::chrono::steady_clock::now() +
                         std::chrono::nanoseconds(static_cast<int64_t>(std::min(how.timeout_seconds, 1e9) * 1e9));
    return stream.run(inputs, outputs, control);
  });
}

void ql_stream::serve() {
  // Linux: of this thread alone. 10 more than it has: a process may be in the background already.
  if (yields) setpriority(PRIO_PROCESS, 0, std::min(19, getpriority(PRIO_PROCESS, 0) + 10));
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [&] { return submitted || closing; });
    if (!submitted) return;
    lock.unlock();
    outcome = QL_ERROR_INIT;
    const ql_code code = run(options, &outcome);
    const ql_done tell = done;
    void* user = done_user;
    const ql_error told = outcome;
    lock.lock();
    submitted = false;
    ended = true;
    busy = false;
    changed.notify_all();
    if (!tell) continue;
    lock.unlock();
    tell(user, code, told.message);
    lock.lock();
  }
}

ql_stream::~ql_stream() {
  {
    std::lock_guard lock(mutex);
    closing = true;
  }
  changed.notify_all();
  if (worker.joinable()) worker.join();
}

namespace {

// One request at a time.
ql_code take(ql_stream* stream, ql_error* error) {
  if (!stream) return report(error, {Code::invalid_argument, "no stream", {}});
  if (!stream->busy.exchange(true)) {
    stream->cancel = false;
    return QL_OK;
  }
  return report(error, QL_BUSY, "the stream has a request already");
}

}  // namespace

ql_code ql_stream_run(ql_stream* stream, const ql_run_options* given, ql_error* error) {
  if (ql_code code = take(stream, error)) return code;
  const ql_code code = stream->run(options_or<ql_run_options>(given, QL_RUN_OPTIONS_INIT), error);
  stream->busy = false;
  return code;
}

ql_code ql_stream_submit(ql_stream* stream, const ql_run_options* given, ql_done done, void* user, ql_error* error) {
  if (ql_code code = take(stream, error)) return code;
  const ql_code code = guarded(error, [&]() -> Status {
    if (!stream->worker.joinable()) stream->worker = std::thread([stream] { stream->serve(); });
    std::lock_guard lock(stream->mutex);
    stream->options = options_or<ql_run_options>(given, QL_RUN_OPTIONS_INIT);
    stream->done = done, stream->done_user = user;
    stream->ended = false, stream->submitted = true;
    stream->changed.notify_all();
    return {};
  });
  if (code != QL_OK) stream->busy = false;
  return code;
}

ql_code ql_stream_wait(ql_stream* stream, ql_error* error) {
  if (!stream) return report(error, {Code::invalid_argument, "no stream", {}});
  std::unique_lock lock(stream->mutex);
  if (!stream->submitted && !stream->ended)
    return report(error, {Code::invalid_argument, "no request was submitted", {}});
  stream->changed.wait(lock, [&] { return stream->ended; });
  return report(error, stream->outcome.code, stream->outcome.message);
}

void ql_stream_cancel(ql_stream* stream) {
  if (stream) stream->cancel = true;
}
