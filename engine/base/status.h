// Errors as values. A Result<T> holds a T or an Error; an Error carries a code, one sentence and the trail of
// contexts it rose through. Messages are lower case, without a period, and name the thing and both values:
//   "weights have 64 input channels, the input has 48".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace quadlane {

// needs_value: something must be known that is not yet, such as the input an output's shape depends on.
enum class Code : uint8_t {
  invalid_argument,
  invalid_model,
  unsupported,
  out_of_memory,
  io,
  internal,
  needs_value,
  no_executable_memory,
  cancelled,
  timed_out,
};
const char* to_string(Code);

struct Error {
  Code code = Code::internal;
  std::string message;
  std::vector<std::string> trail;  // innermost first

  // "node 'up2/conv' (Conv): weights have 64 input channels, the input has 48"
  std::string text() const;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

  // Adds a context to the error's trail; a value passes through unchanged.
  Result context(std::string where) && {
    if (!ok()) std::get<1>(state_).trail.push_back(std::move(where));
    return std::move(*this);
  }

 private:
  std::variant<T, Error> state_;
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }
  Status context(std::string where) && {
    if (error_) error_->trail.push_back(std::move(where));
    return std::move(*this);
  }

 private:
  std::optional<Error> error_;
};

inline Status ok_status() { return {}; }

namespace detail {
// Not inline: messages are written in hundreds of places.
void append(std::string&, std::string_view);
void append(std::string&, char);
void append_truth(std::string&, bool);
void append_signed(std::string&, int64_t);
void append_unsigned(std::string&, uint64_t);
void append_real(std::string&, double);
template <class T>
requires std::is_arithmetic_v<T>
void append(std::string& s, T v) {
  if constexpr (std::is_same_v<T, bool>)
    append_truth(s, v);
  else if constexpr (std::is_floating_point_v<T>)
    append_real(s, v);
  else if constexpr (std::is_signed_v<T>)
    append_signed(s, v);
  else
    append_unsigned(s, v);
}
}  // namespace detail

// Concatenates strings and numbers: cat("found ", 3, ", expected ", 4).
template <class... Ts>
std::string cat(const Ts&... parts) {
  std::string s;
  (detail::append(s, parts), ...);
  return s;
}

template <class... Ts>
Error make_error(Code code, const Ts&... parts) {
  return Error{code, cat(parts...), {}};
}
template <class... Ts>
Error unsupported(const Ts&... parts) {
  return make_error(Code::unsupported, parts...);
}
template <class... Ts>
Error invalid_model(const Ts&... parts) {
  return make_error(Code::invalid_model, parts...);
}
template <class... Ts>
Error invalid_argument(const Ts&... parts) {
  return make_error(Code::invalid_argument, parts...);
}

}  // namespace quadlane

#define QL_CONCAT_(a, b) a##b
#define QL_CONCAT(a, b) QL_CONCAT_(a, b)

// QL_TRY(auto x, f()): binds the value of a Result, or returns its error from the enclosing function.
#define QL_TRY(decl, expr) QL_TRY_(QL_CONCAT(ql_result_, __LINE__), decl, expr)
#define QL_TRY_(tmp, decl, expr)                \
  auto tmp = (expr);                            \
  if (!tmp.ok()) return std::move(tmp).error(); \
  decl = std::move(tmp).value()

// QL_CHECK_OK(f()): returns the error of a Status from the enclosing function.
#define QL_CHECK_OK(expr)                                                              \
  do {                                                                                 \
    if (auto ql_status = (expr); !ql_status.ok()) return std::move(ql_status).error(); \
  } while (false)
