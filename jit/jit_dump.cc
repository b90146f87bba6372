// The format is that of the kernel's tools/perf/Documentation/jitdump-specification.txt: a header, then one record for
// each piece of code with its name and bytes. perf finds the file because this process maps its first page executable.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "jit/code_listener.h"

namespace quadlane {
namespace {

struct Header {
  uint32_t magic = 0x4a695444, version = 1, size = sizeof(Header), machine = 62;  // "JiTD"; EM_X86_64
  uint32_t padding = 0, process = 0;
  uint64_t time = 0, flags = 0;
};
struct CodeRecord {
  uint32_t kind = 0, size = 0;  // 0: code was loaded; size of the whole record
  uint64_t time = 0;
  uint32_t process = 0, thread = 0;
  uint64_t virtual_address = 0, address = 0, code_bytes = 0, index = 0;
};

uint64_t now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000u + static_cast<uint64_t>(t.tv_nsec);
}

class JitDump final : public CodeListener {
 public:
  static Result<std::shared_ptr<CodeListener>> open(const std::string& path) {
    auto dump = std::make_shared<JitDump>();
    dump->path_ = path;
    dump->file_ = ::open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);
    if (dump->file_ < 0) return dump->failed();
    Header header;
    header.process = static_cast<uint32_t>(getpid());
    header.time = now();
    QL_CHECK_OK(dump->append(&header, sizeof header));
    dump->marker_ = mmap(nullptr, dump->marker_bytes_, PROT_READ | PROT_EXEC, MAP_PRIVATE, dump->file_, 0);
    if (dump->marker_ == MAP_FAILED) return dump->failed();
    return std::shared_ptr<CodeListener>(std::move(dump));
  }
  ~JitDump() override {
    if (marker_ != MAP_FAILED) munmap(marker_, marker_bytes_);
    if (file_ >= 0) close(file_);
  }

  Status code_loaded(const std::string& name, const void* address, std::span<const uint8_t> code) override {
    CodeRecord record;
    record.size = static_cast<uint32_t>(sizeof record + name.size() + 1 + code.size());
    record.time = now();
    record.process = static_cast<uint32_t>(getpid());
    record.thread = static_cast<uint32_t>(syscall(SYS_gettid));
    record.virtual_address = record.address = reinterpret_cast<uintptr_t>(address);
    record.code_bytes = code.size();
    record.index = index_++;
    std::vector<uint8_t> bytes(record.size);
    std::memcpy(bytes.data(), &record, sizeof record);
    std::memcpy(bytes.data() + sizeof record, name.c_str(), name.size() + 1);
    std::memcpy(bytes.data() + sizeof record + name.size() + 1, code.data(), code.size());
    return append(bytes.data(), bytes.size());
  }

 private:
  Error failed() const { return make_error(Code::io, "cannot write '", path_, "': ", std::strerror(errno)); }
  Status append(const void* data, size_t bytes) {
    if (write(file_, data, bytes) != static_cast<ssize_t>(bytes)) return failed();
    return {};
  }

  std::string path_;
  int file_ = -1;
  void* marker_ = MAP_FAILED;
  size_t marker_bytes_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  uint64_t index_ = 0;
};

}  // namespace

Result<std::shared_ptr<CodeListener>> make_jit_dump(const std::string& folder) {
  return JitDump::open(cat(folder, "/jit-", getpid(), ".dump"));
}

}  // namespace quadlane
