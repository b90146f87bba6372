#include "jit/code_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace quadlane {

CodeMemory::CodeMemory(CodeMemory&& other) noexcept { *this = std::move(other); }

CodeMemory& CodeMemory::operator=(CodeMemory&& other) noexcept {
  std::swap(staged_, other.staged_);
  std::swap(symbols_, other.symbols_);
  std::swap(base_, other.base_);
  std::swap(bytes_, other.bytes_);
  std::swap(method_, other.method_);
  return *this;
}

CodeMemory::~CodeMemory() {
  if (base_) munmap(base_, bytes_);
}

size_t CodeMemory::place(const MachineCode& code) {
  size_t offset = (staged_.size() + kCodeAlignment - 1) / kCodeAlignment * kCodeAlignment;
  staged_.resize(offset, 0xcc);  // int3: a jump astray stops
  staged_.insert(staged_.end(), code.bytes.begin(), code.bytes.end());
  symbols_.push_back({offset, code.bytes.size(), code.name});
  return offset;
}

Status CodeMemory::seal(const CodeMemoryOptions& options) {
  if (sealed()) return invalid_argument("code memory is sealed already");
  if (staged_.empty()) return {};
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  bytes_ = (staged_.size() + page - 1) / page * page;
  bool dual = options.dual_mapping;
  for (const auto& listener : options.listeners) dual &= !listener->wants_private_pages();
  if (dual && map_dual())
    method_ = "dual mapping";
  else if (map_then_protect())
    method_ = "read-write, then read-execute";
  else
    return make_error(Code::no_executable_memory, "no executable memory for ", bytes_,
                      " bytes of code: ", std::strerror(errno));
  staged_.clear();
  staged_.shrink_to_fit();
  for (const auto& listener : options.listeners) QL_CHECK_OK(tell(*listener));
  return {};
}

bool CodeMemory::map_dual() {
  int file = memfd_create("quadlane-code", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0) return false;
  void* executable = MAP_FAILED;
  if (ftruncate(file, static_cast<off_t>(bytes_)) == 0) {
    void* writable = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (writable != MAP_FAILED) {
      std::memcpy(writable, staged_.data(), staged_.size());
      munmap(writable, bytes_);
      // Not needed for correctness and refused by some sandboxes: the result is not looked at.
      fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
      executable = mmap(nullptr, bytes_, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
    }
  }
  close(file);
  if (executable == MAP_FAILED) return false;
  base_ = executable;
  return true;
}

bool CodeMemory::map_then_protect() {
  void* pages = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return false;
  std::memcpy(pages, staged_.data(), staged_.size());
  if (mprotect(pages, bytes_, PROT_READ | PROT_EXEC) != 0) {
    int reason = errno;
    munmap(pages, bytes_);
    errno = reason;
    return false;
  }
  base_ = pages;
  return true;
}

KernelFn CodeMemory::entry(size_t offset) const {
  return reinterpret_cast<KernelFn>(reinterpret_cast<uintptr_t>(base_) + offset);
}

Status CodeMemory::tell(CodeListener& listener) const {
  for (const Symbol& s : symbols_) {
    const auto* code = static_cast<const uint8_t*>(base_) + s.offset;
    QL_CHECK_OK(listener.code_loaded(s.name, code, {code, s.size}));
  }
  return {};
}

}  // namespace quadlane
