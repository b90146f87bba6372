// How values become bytes and back. A type lists its members once, in the order of declaration:
//
//   struct Share { int64_t begin, end; static constexpr auto kFields = std::tuple{&Share::begin, &Share::end}; };
//
// and is written and read by that one list. A list that forgets a member, or has another order, does not add up to the
// type's size and does not compile (unless the member hides in padding). Bytes are little-endian and unpadded; a reader
// believes nothing: counts are checked against what is left, enums and bools against their range. What numbers mean is
// checked by whoever reads them.
#pragma once

#include <array>
#include <bit>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "engine/base/abi/conv.h"
#include "engine/base/status.h"

namespace quadlane {

static_assert(std::endian::native == std::endian::little);

// The last value of an enumeration that may be stored: specialized beside the enumeration.
template <class E>
inline constexpr E kLastOf = E::no_last_value_is_known;

template <class T>
concept HasFields = requires {
  T::kFields;
};

namespace detail {

template <class Pointer>
struct Member;
template <class C, class M>
struct Member<M C::*> {
  using Type = M;
};
template <class Pointer>
using MemberType = typename Member<Pointer>::Type;

constexpr size_t round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

template <class... Pointers>
constexpr size_t end_of_members(size_t at, const std::tuple<Pointers...>*) {
  ((at = round_up(at, alignof(MemberType<Pointers>)) + sizeof(MemberType<Pointers>)), ...);
  return at;
}

constexpr uint32_t mixed(uint32_t hash, uint32_t value) { return (hash ^ value) * 0x01000193u; }

}  // namespace detail

// Whether T's list names all members that lie behind its first `start` bytes.
template <HasFields T>
constexpr bool fields_are_complete(size_t start = 0) {
  return detail::round_up(detail::end_of_members(start, &T::kFields), alignof(T)) == sizeof(T);
}

// Types with a form of their own specialize this: write(FieldWriter&, const T&), read(FieldReader&, T&), kLayout,
// kFewestBytes.
template <class T>
struct FieldCodec;
template <class T>
concept HasCodec = requires {
  FieldCodec<T>::kLayout;
};

// Names the stored form of a type: members of other types, or another number of them, give another number. Members of
// one type that change places, or meanings, do not: then kPlanMajor is raised.
template <class T>
constexpr uint32_t layout_id();

namespace detail {

template <class T>
struct Inner {
  static constexpr uint32_t kKind = 0;
};
template <class T>
struct Inner<std::vector<T>> {
  static constexpr uint32_t kKind = 2;
  using Type = T;
};
template <class T>
struct Inner<std::optional<T>> {
  static constexpr uint32_t kKind = 3;
  using Type = T;
};
template <class T, size_t N>
struct Inner<std::array<T, N>> {
  static constexpr uint32_t kKind = 0x100 + static_cast<uint32_t>(N);
  using Type = T;
};
template <class T, size_t N>
struct Inner<T[N]> {
  static constexpr uint32_t kKind = 0x100 + static_cast<uint32_t>(N);
  using Type = T;
};

template <class... Pointers>
constexpr uint32_t layout_of_members(const std::tuple<Pointers...>*) {
  uint32_t hash = 0x811c9dc5u;
  ((hash = mixed(hash, layout_id<MemberType<Pointers>>())), ...);
  return hash;
}

}  // namespace detail

template <class T>
constexpr uint32_t layout_id() {
  if constexpr (HasCodec<T>)
    return FieldCodec<T>::kLayout;
  else if constexpr (std::is_same_v<T, std::string>)
    return 1;
  else if constexpr (std::is_same_v<T, KernelFn>)
    return 4;
  else if constexpr (detail::Inner<T>::kKind != 0)
    return detail::mixed(detail::Inner<T>::kKind, layout_id<typename detail::Inner<T>::Type>());
  else if constexpr (HasFields<T>)
    return detail::layout_of_members(&T::kFields);
  else if constexpr (std::is_floating_point_v<T>)
    return 0x20 + sizeof(T);
  else if constexpr (std::is_enum_v<T>)
    return 0x30 + sizeof(T);
  else
    return 0x10 + sizeof(T);
}

// The fewest bytes a value of the type takes.
template <class T>
constexpr size_t fewest_bytes() {
  if constexpr (HasCodec<T>)
    return FieldCodec<T>::kFewestBytes;
  else if constexpr (std::is_same_v<T, KernelFn>)
    return 4;
  else if constexpr (std::is_same_v<T, std::string> || detail::Inner<T>::kKind == 2)
    return 8;
  else if constexpr (detail::Inner<T>::kKind == 3)
    return 1;
  else if constexpr (detail::Inner<T>::kKind != 0)
    return (detail::Inner<T>::kKind - 0x100) * fewest_bytes<typename detail::Inner<T>::Type>();
  else if constexpr (HasFields<T>)
    return std::apply([](auto... m) { return (size_t{0} + ... + fewest_bytes<detail::MemberType<decltype(m)>>()); },
                      T::kFields);
  else
    return sizeof(T);
}

class FieldWriter {
 public:
  // Kernels are stored as their numbers.
  explicit FieldWriter(std::map<KernelFn, uint32_t> kernels = {}) : kernels_(std::move(kernels)) {}

  template <class T>
  void write(const T& value) {
    if constexpr (HasCodec<T>) {
      FieldCodec<T>::write(*this, value);
    } else if constexpr (std::is_same_v<T, KernelFn>) {
      write(value ? kernels_.at(value) : kNoKernel);
    } else if constexpr (std::is_same_v<T, std::string>) {
      write(static_cast<uint64_t>(value.size()));
      raw(value.data(), value.size());
    } else if constexpr (detail::Inner<T>::kKind == 2) {
      write(static_cast<uint64_t>(value.size()));
      for (const auto& item : value) write(item);
    } else if constexpr (detail::Inner<T>::kKind == 3) {
      write(value.has_value());
      if (value) write(*value);
    } else if constexpr (detail::Inner<T>::kKind != 0) {
      for (const auto& item : value) write(item);
    } else if constexpr (HasFields<T>) {
      static_assert(std::is_polymorphic_v<T> || fields_are_complete<T>(), "kFields forgets a member");
      std::apply([&](auto... members) { (write(value.*members), ...); }, T::kFields);
    } else {
      static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>, "the type has no stored form");
      raw(&value, sizeof value);
    }
  }
  void raw(const void* data, size_t bytes) {
    const auto* from = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), from, from + bytes);
  }

  static constexpr uint32_t kNoKernel = 0xffffffffu;
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::map<KernelFn, uint32_t> kernels_;
  std::vector<std::byte> bytes_;
};

// After the first failure everything else is left as it was.
class FieldReader {
 public:
  explicit FieldReader(std::span<const std::byte> bytes, std::span<const KernelFn> kernels = {})
      : rest_(bytes), kernels_(kernels) {}

  template <class T>
  void read(T& value) {
    if constexpr (HasCodec<T>) {
      FieldCodec<T>::read(*this, value);
    } else if constexpr (std::is_same_v<T, KernelFn>) {
      read_kernel(value);
    } else if constexpr (std::is_same_v<T, std::string>) {
      value.resize(read_count(1));
      raw(value.data(), value.size());
    } else if constexpr (detail::Inner<T>::kKind == 2) {
      value.clear();
      value.resize(read_count(fewest_bytes<typename detail::Inner<T>::Type>()));
      for (size_t i = 0; i < value.size() && ok(); ++i) read(value[i]);
    } else if constexpr (detail::Inner<T>::kKind == 3) {
      bool present = false;
      read(present);
      if (present && ok()) read(value.emplace());
    } else if constexpr (detail::Inner<T>::kKind != 0) {
      for (auto& item : value) read(item);
    } else if constexpr (HasFields<T>) {
      std::apply([&](auto... members) { (read(value.*members), ...); }, T::kFields);
    } else if constexpr (std::is_same_v<T, bool>) {
      value = read_below(2, "a truth value") != 0;
    } else if constexpr (std::is_enum_v<T>) {
      static_assert(sizeof(T) == 1);
      value = static_cast<T>(read_below(static_cast<unsigned>(kLastOf<T>) + 1, "an enumeration"));
    } else {
      static_assert(std::is_arithmetic_v<T>, "the type has no stored form");
      raw(&value, sizeof value);
    }
  }
  template <class T>
  T get() {
    T value{};
    read(value);
    return value;
  }
  void raw(void* to, size_t bytes);

  bool ok() const { return status_.ok(); }
  void fail(Error error) {
    if (ok()) status_ = std::move(error);
  }
  Status status() && { return std::move(status_); }
  size_t left() const { return rest_.size(); }

 private:
  size_t read_count(size_t fewest_bytes);
  unsigned read_below(unsigned limit, const char* what);
  void read_kernel(KernelFn&);

  std::span<const std::byte> rest_;
  std::span<const KernelFn> kernels_;
  Status status_;
};

}  // namespace quadlane
