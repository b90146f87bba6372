// What the C API's handles hold.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "engine/base/guard.h"
#include "engine/c/quadlane.h"
#include "engine/run/stream.h"

namespace quadlane::c {

// Fills `error`, as far as its version of the struct goes, and returns the code.
ql_code report(ql_error* error, ql_code, std::string_view message);
ql_code report(ql_error* error, const Error&);
ql_code ok(ql_error* error);
ql_code code_of(Code);

// The caller's options, as far as its version of the struct goes, over the defaults.
template <class T>
T options_or(const T* given, const T& defaults) {
  T options = defaults;
  if (given) std::memcpy(static_cast<void*>(&options), given, std::min(given->size, sizeof options));
  return options;
}

// Nothing is thrown across the API.
template <class Body>
ql_code guarded(ql_error* error, Body body) {
  try {
    Status status = quadlane::guarded([&]() -> Status { return body(); });
    return status.ok() ? ok(error) : report(error, status.error());
  } catch (...) {  // no memory for the sentence either
    return report(error, QL_OUT_OF_MEMORY, "no memory");
  }
}

}  // namespace quadlane::c

struct ql_plan {
  std::shared_ptr<const quadlane::run::Plan> plan;
};

struct ql_stream {
  explicit ql_stream(quadlane::run::Stream s) : stream(std::move(s)) {}
  ~ql_stream();

  quadlane::run::Stream stream;
  std::vector<quadlane::View> inputs;
  std::vector<quadlane::MutView> outputs;
  std::atomic<bool> busy{false}, cancel{false};
  bool yields = false;  // the worker leaves the processor to others

  // The submitted request; its thread starts with the first one.
  std::thread worker;
  std::mutex mutex;
  std::condition_variable changed;
  bool submitted = false, ended = false, closing = false;
  ql_run_options options = QL_RUN_OPTIONS_INIT;
  ql_done done = nullptr;
  void* done_user = nullptr;
  ql_error outcome = QL_ERROR_INIT;

  ql_code run(const ql_run_options&, ql_error*);
  void serve();
};
