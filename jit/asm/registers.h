// Registers as borrowed things: a generator asks for one by the role it plays, the scope of the handle gives it back.
// Asking for more than there are ends the generation with an error that lists who holds the others.
#pragma once

#include <xbyak/xbyak.h>

#include <array>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace quadlane {

// Thrown by an exhausted pool; assemble() turns it into an Error.
struct OutOfRegisters {
  std::string message;
};

class RegisterPool {
 public:
  RegisterPool(const char* kind, std::vector<int> free) : kind_(kind), order_(std::move(free)) {}

  int take(std::string role) {
    for (int index : order_)
      if (roles_[static_cast<size_t>(index)].empty()) {
        roles_[static_cast<size_t>(index)] = role.empty() ? "?" : std::move(role);
        return index;
      }
    std::string holders;
    for (int index : order_) holders += " " + roles_[static_cast<size_t>(index)];
    throw OutOfRegisters{std::string("out of ") + kind_ + " registers at '" + role + "', in use:" + holders};
  }
  void give_back(int index) { roles_[static_cast<size_t>(index)].clear(); }
  int available() const {
    int n = 0;
    for (int index : order_) n += roles_[static_cast<size_t>(index)].empty();
    return n;
  }

 private:
  const char* kind_;
  std::vector<int> order_;             // preferred first
  std::array<std::string, 32> roles_;  // empty: free
};

// A register that is also the xbyak register it stands for, so every mnemonic takes it as it is.
template <class Register>
class Borrowed : public Register {
 public:
  Borrowed(RegisterPool* pool, const Register& reg) : Register(reg), pool_(pool) {}
  Borrowed(Borrowed&& other) noexcept : Register(other), pool_(std::exchange(other.pool_, nullptr)) {}
  Borrowed& operator=(Borrowed&& other) noexcept {
    if (this != &other) {
      release();
      Register::operator=(other);
      pool_ = std::exchange(other.pool_, nullptr);
    }
    return *this;
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  ~Borrowed() { release(); }

  void release() {  // before the scope ends; the handle must not be used any more
    if (pool_) std::exchange(pool_, nullptr)->give_back(Register::getIdx());
  }

 private:
  RegisterPool* pool_;
};

using Gp = Borrowed<Xbyak::Reg64>;

// One vector register: 8 pixels (ymm) on AVX2, 16 (zmm) on AVX-512.
class Vec : public Borrowed<Xbyak::Xmm> {
 public:
  using Borrowed::Borrowed;
  Xbyak::Xmm xmm() const { return Xbyak::Xmm(getIdx()); }
  Xbyak::Ymm ymm() const { return Xbyak::Ymm(getIdx()); }
  Xbyak::Zmm zmm() const { return Xbyak::Zmm(getIdx()); }
};
// Write-masking: `v | k`, `v | k | Xbyak::util::T_z`.
inline Xbyak::Xmm operator|(const Vec& v, const Xbyak::Opmask& k) {
  Xbyak::Xmm masked(v);
  masked.setOpmaskIdx(k.getIdx());
  return masked;
}

// A choice for each pixel lane of one vector register: an opmask on AVX-512, a vector of dwords 0 or -1 on AVX2.
class Mask {
 public:
  explicit Mask(Vec lanes) : reg_(std::move(lanes)) {}
  explicit Mask(Borrowed<Xbyak::Opmask> k) : reg_(std::move(k)) {}
  const Vec& vec() const { return std::get<Vec>(reg_); }
  const Xbyak::Opmask& k() const { return std::get<Borrowed<Xbyak::Opmask>>(reg_); }

 private:
  std::variant<Vec, Borrowed<Xbyak::Opmask>> reg_;
};

}  // namespace quadlane
