// A thin C++ side of quadlane.h: handles that close themselves, errors as exceptions of the caller's own library.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "quadlane.h"

namespace quadlane_runtime {

struct Error : std::runtime_error {
  explicit Error(const ql_error& e) : std::runtime_error(e.message), code(e.code) {}
  ql_code code;
};

template <class Call>
void check(Call call) {
  ql_error error = QL_ERROR_INIT;
  if (call(&error) != QL_OK) throw Error(error);
}

class Plan {
 public:
  explicit Plan(const std::string& path, const ql_plan_options* options = nullptr) {
    ql_plan* plan = nullptr;
    check([&](ql_error* e) { return ql_plan_open(path.c_str(), options, &plan, e); });
    plan_.reset(plan);
  }
  ql_plan* get() const { return plan_.get(); }
  ql_tensor_info input(size_t i) const { return info(ql_plan_input, i); }
  ql_tensor_info output(size_t i) const { return info(ql_plan_output, i); }

 private:
  template <class F>
  ql_tensor_info info(F f, size_t i) const {
    ql_tensor_info found = QL_TENSOR_INFO_INIT;
    check([&](ql_error* e) { return f(get(), i, &found, e); });
    return found;
  }
  struct Close {
    void operator()(ql_plan* p) const { ql_plan_close(p); }
  };
  std::unique_ptr<ql_plan, Close> plan_;
};

class Stream {
 public:
  explicit Stream(const Plan& plan, const ql_stream_options* options = nullptr) {
    ql_stream* stream = nullptr;
    check([&](ql_error* e) { return ql_stream_open(plan.get(), options, &stream, e); });
    stream_.reset(stream);
  }
  ql_stream* get() const { return stream_.get(); }
  void bind_input(size_t i, const void* data, size_t bytes) {
    check([&](ql_error* e) { return ql_stream_bind_input(get(), i, data, bytes, e); });
  }
  void bind_output(size_t i, void* data, size_t bytes) {
    check([&](ql_error* e) { return ql_stream_bind_output(get(), i, data, bytes, e); });
  }
  void run(const ql_run_options* options = nullptr) {
    check([&](ql_error* e) { return ql_stream_run(get(), options, e); });
  }

 private:
  struct Close {
    void operator()(ql_stream* s) const { ql_stream_close(s); }
  };
  std::unique_ptr<ql_stream, Close> stream_;
};

}  // namespace quadlane_runtime
