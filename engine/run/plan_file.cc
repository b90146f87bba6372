#include "engine/run/plan_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "engine/base/crc32c.h"
#include "engine/base/sha256.h"
#include "engine/run/plan_record.h"
#include "engine/run/plan_signature.h"

namespace quadlane::run {
namespace {

// A mapping of a file, or of a part of it.
struct Mapping final : Resource {
  static Result<std::shared_ptr<Mapping>> make(int file, size_t offset, size_t bytes, int protection) {
    auto mapping = std::make_shared<Mapping>();
    void* at = mmap(nullptr, bytes, protection, MAP_PRIVATE, file, static_cast<off_t>(offset));
    if (at == MAP_FAILED)
      return make_error(protection & PROT_EXEC ? Code::no_executable_memory : Code::io, "the file cannot be mapped ",
                        protection & PROT_EXEC ? "executable" : "readable", ": ", std::strerror(errno));
    mapping->data = static_cast<const std::byte*>(at);
    mapping->bytes = bytes;
    return mapping;
  }
  // Executable pages of no file with these bytes.
  static Result<std::shared_ptr<Mapping>> copy_code(std::span<const std::byte> code) {
    auto mapping = std::make_shared<Mapping>();
    void* at = mmap(nullptr, code.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at != MAP_FAILED) {
      mapping->data = static_cast<const std::byte*>(at), mapping->bytes = code.size();
      std::memcpy(at, code.data(), code.size());
    }
    if (at == MAP_FAILED || mprotect(at, code.size(), PROT_READ | PROT_EXEC) != 0)
      return make_error(Code::no_executable_memory, "no executable memory for a copy of ", code.size(),
                        " bytes of code: ", std::strerror(errno));
    return mapping;
  }
  ~Mapping() override {
    if (data) munmap(const_cast<std::byte*>(data), bytes);
  }
  const std::byte* data = nullptr;
  size_t bytes = 0;
};

struct Descriptor {
  explicit Descriptor(int file) : file(file) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (file >= 0) close(file);
  }
  int file;
};

// Whether everybody may put another file in the place of this one. Where the sticky bit is set, only its owner may.
bool is_in_open_folder(const std::string& path) {
  const size_t slash = path.rfind('/');
  struct stat about {};
  if (::stat(slash == path.npos ? "." : path.substr(0, slash + 1).c_str(), &about) != 0) return true;
  return (about.st_mode & S_IWOTH) && !(about.st_mode & S_ISVTX);
}

std::string name_of(uint32_t kind) {
  std::string name;
  for (int i = 0; i < 4; ++i) {
    const char c = static_cast<char>(kind >> (8 * i) & 255);
    name += c >= ' ' && c <= '~' ? c : '?';
  }
  return name;
}

bool is_known(uint32_t kind) {
  const uint32_t known[] = {kInfoSection,   kPlanSection,  kWeightSection,    kCodeSection,
                            kGoldenSection, kGraphSection, kSignatureSection, kScheduleSection};
  return std::find(std::begin(known), std::end(known), kind) != std::end(known);
}

Result<std::vector<Section>> read_table(std::span<const std::byte> file) {
  if (file.size() < kPlanHeaderBytes)
    return invalid_model("a file of ", file.size(), " bytes is no plan, whose header has ", kPlanHeaderBytes);
  if (std::memcmp(file.data(), kPlanMagic, 8) != 0) return invalid_model("the file does not begin as a plan does");
  FieldReader r(file.subspan(8));
  const auto order = r.get<uint32_t>();
  const auto major = r.get<uint16_t>();
  [[maybe_unused]] const auto minor = r.get<uint16_t>();
  const auto length = r.get<uint64_t>();
  const auto count = r.get<uint32_t>(), table_crc = r.get<uint32_t>();
  if (order != kPlanByteOrder) return invalid_model("the plan was written with another order of bytes");
  uint32_t header_crc = 0;
  std::memcpy(&header_crc, file.data() + 60, 4);
  if (header_crc != crc32c(file.first(60)))
    return invalid_model("the header is damaged: checksum ", crc32c(file.first(60)), ", expected ", header_crc);
  if (major != kPlanMajor)
    return unsupported("the plan has format version ", major, ", this engine reads version ", kPlanMajor);
  if (length != file.size()) return invalid_model("the file has ", file.size(), " bytes, expected ", length);
  if (count > (file.size() - kPlanHeaderBytes) / kSectionBytes)
    return invalid_model(count, " sections do not fit in ", file.size(), " bytes");
  const auto table = file.subspan(kPlanHeaderBytes, count * kSectionBytes);
  if (crc32c(table) != table_crc)
    return invalid_model("the section table is damaged: checksum ", crc32c(table), ", expected ", table_crc);
  std::vector<Section> sections(count);
  FieldReader entries(table);
  for (Section& section : sections) entries.read(section);
  return sections;
}

Status check_section(const Section& s, std::span<const std::byte> file, size_t table_end) {
  const std::string name = name_of(s.kind);
  if (!is_known(s.kind)) {
    if (s.flags & kRequiredSection) return unsupported("section '", name, "' is required and unknown to this engine");
    return {};
  }
  if (s.offset < table_end || s.offset > file.size() || s.bytes > file.size() - s.offset)
    return invalid_model("section '", name, "' lies at ", s.offset, " with ", s.bytes, " bytes, the file has ",
                         file.size());
  const bool mapped = s.kind == kWeightSection || s.kind == kCodeSection;
  if (s.offset % (mapped ? kPlanPage : 8) != 0)
    return invalid_model("section '", name, "' lies at ", s.offset, ", which is not aligned");
  if (s.kind == kSignatureSection && s.bytes != PlanSignature::kBytes)
    return invalid_model("section 'sign' has ", s.bytes, " bytes, expected ", PlanSignature::kBytes);
  return {};
}

// Every byte belongs to one section, every section says something else: what reading costs is bounded by the file.
Status check_apart(std::vector<Section> sections) {
  auto order_by = [&](auto key) {
    std::sort(sections.begin(), sections.end(), [&](const Section& a, const Section& b) { return key(a) < key(b); });
  };
  order_by([](const Section& s) { return std::pair(s.kind, s.variant); });
  for (size_t i = 1; i < sections.size(); ++i)
    if (sections[i - 1].kind == sections[i].kind && sections[i - 1].variant == sections[i].variant)
      return invalid_model("section '", name_of(sections[i].kind), "' of variant ", sections[i].variant,
                           " exists twice");
  order_by([](const Section& s) { return std::pair(s.offset, s.bytes); });
  for (size_t i = 1; i < sections.size(); ++i)
    if (const Section& before = sections[i - 1]; before.offset + before.bytes > sections[i].offset)
      return invalid_model("section '", name_of(sections[i].kind), "' lies at ", sections[i].offset, ", section '",
                           name_of(before.kind), "' ends at ", before.offset + before.bytes);
  return {};
}

Status check_sum(const Section& s, std::span<const std::byte> file) {
  const uint32_t crc = crc32c(file.subspan(s.offset, s.bytes));
  if (crc == s.crc) return {};
  return invalid_model("section '", name_of(s.kind), "' is damaged: checksum ", crc, ", expected ", s.crc);
}

Status check_types(const PlanRecord& record, const PlanOpenOptions& options) {
  auto check = [](const TensorType& type, const std::string& name) -> Status {
    auto count = element_count(type.shape);
    return count.ok() ? Status() : std::move(count).context(cat("tensor '", name, "'")).error();
  };
  for (const auto* list : {&record.inputs, &record.outputs})
    for (const TensorInfo& info : *list) QL_CHECK_OK(check(info.type, info.name));
  for (const TailInput& value : record.before_tail) {
    QL_CHECK_OK(check(value.type, "before the tail"));
    if (value.output && *value.output >= record.outputs.size())
      return invalid_model("output ", *value.output, " of ", record.outputs.size());
    if (value.output && value.type != record.outputs[*value.output].type)
      return invalid_model("output ", *value.output, " is ", to_string(value.type), " before the tail and ",
                           to_string(record.outputs[*value.output].type), " behind it");
  }
  if (record.arena_bytes > options.max_arena_bytes)
    return unsupported("the activations need ", record.arena_bytes, " bytes at once, the limit is ",
                       options.max_arena_bytes);
  return {};
}

}  // namespace

struct PlanFile::State {
  PlanOpenOptions options;
  std::string path;
  std::unique_ptr<Descriptor> file;
  std::shared_ptr<Mapping> mapping;
  std::vector<Section> table;     // as it is in the file
  std::vector<Section> sections;  // those that are known
  std::vector<Variant> variants;
  PlanInfo info;

  std::span<const std::byte> all() const { return {mapping->data, mapping->bytes}; }
  const Section* find(uint32_t kind, uint32_t variant) const {
    for (const Section& s : sections)
      if (s.kind == kind && s.variant == variant) return &s;
    return nullptr;
  }
  std::span<const std::byte> bytes(const Section& s) const { return all().subspan(s.offset, s.bytes); }
  Status read();
  Status check_trust() const;
  std::string sha256() const { return sha256_hex({reinterpret_cast<const char*>(mapping->data), mapping->bytes}); }
  std::optional<Signer> signer() const;
  Result<std::vector<KernelFn>> entries(const Variant&, Plan&, std::span<const KernelRecord>) const;
};

Status PlanFile::State::read() {
  QL_TRY(table, read_table(all()));
  const size_t table_end = kPlanHeaderBytes + table.size() * kSectionBytes;
  for (const Section& s : table) {
    QL_CHECK_OK(check_section(s, all(), table_end));
    if (is_known(s.kind)) sections.push_back(s);
  }
  QL_CHECK_OK(check_apart(sections));
  for (const Section& s : sections) QL_CHECK_OK(check_sum(s, all()));
  QL_CHECK_OK(check_trust());
  const Section* about = find(kInfoSection, 0);
  if (!about) return invalid_model("the file has no section 'info'");
  FieldReader r(bytes(*about));
  r.read(info);
  QL_CHECK_OK(std::move(r).status().context("section 'info'"));
  for (const Section& s : sections) {
    if (s.kind != kPlanSection) continue;
    FieldReader plan(bytes(s));
    const Isa isa = plan.get<Isa>();
    QL_CHECK_OK(std::move(plan).status().context("section 'plan'"));
    if (!find(kWeightSection, s.variant)) return invalid_model("variant ", s.variant, " has no weights");
    variants.push_back({isa, s.variant, find(kCodeSection, s.variant) != nullptr});
  }
  return {};
}

std::optional<PlanFile::Signer> PlanFile::State::signer() const {
  for (size_t i = 0; i < table.size(); ++i) {
    if (table[i].kind != kSignatureSection) continue;
    const PlanSignature s = PlanSignature::read(bytes(table[i]));
    return Signer{s.key, ed25519_verify(signed_message(all(), table, i), s.signature, s.key)};
  }
  return {};
}

// Before anything of the file is believed, and long before its code is mapped.
Status PlanFile::State::check_trust() const {
  const std::vector<std::string>& allowed = options.allowed;
  const std::vector<Ed25519Key>& trusted = options.trusted;
  if (allowed.empty() && trusted.empty()) return {};
  if (!allowed.empty()) {
    const std::string hash = sha256();
    if (std::find(allowed.begin(), allowed.end(), hash) != allowed.end()) return {};
    if (trusted.empty())
      return invalid_argument("the file's SHA-256 ", hash, " is not among the ", allowed.size(), " that are allowed");
  }
  const auto by = signer();
  if (!by) return invalid_argument("the file is not signed, expected one of ", trusted.size(), " keys");
  if (std::find(trusted.begin(), trusted.end(), by->key) == trusted.end())
    return invalid_argument("the file is signed by ", key_hex(by->key), ", which is not among the ", trusted.size(),
                            " keys that are trusted");
  if (!by->genuine) return invalid_argument("the signature of ", key_hex(by->key), " is not that of this file");
  return {};
}

Result<PlanFile> PlanFile::open(const std::string& path, const PlanOpenOptions& options) {
  auto in_file = [&](Error error) {
    error.trail.push_back(cat("'", path, "'"));
    return error;
  };
  auto state = std::make_shared<State>();
  state->options = options;
  state->path = path;
  state->file = std::make_unique<Descriptor>(-1);  // first, so that the file is closed whatever fails
  state->file->file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // FIFOs do not block
  if (state->file->file < 0) return in_file(make_error(Code::io, "cannot be opened: ", std::strerror(errno)));
  struct stat about {};
  if (fstat(state->file->file, &about) != 0 || !S_ISREG(about.st_mode))
    return in_file(make_error(Code::io, "is no regular file"));
  if (about.st_size < static_cast<off_t>(kPlanHeaderBytes))
    return in_file(invalid_model("a file of ", static_cast<int64_t>(about.st_size),
                                 " bytes is no plan, whose header has ", kPlanHeaderBytes));
  if (static_cast<size_t>(about.st_size) > options.max_file_bytes)
    return in_file(unsupported("a file of ", static_cast<int64_t>(about.st_size), " bytes, the limit is ",
                               options.max_file_bytes));
  auto mapping = Mapping::make(state->file->file, 0, static_cast<size_t>(about.st_size), PROT_READ);
  if (!mapping.ok()) return in_file(std::move(mapping).error());
  state->mapping = *std::move(mapping);
  if (Status read = state->read(); !read.ok()) return in_file(std::move(read).error());
  const bool has_code =
      std::any_of(state->variants.begin(), state->variants.end(), [](const Variant& v) { return v.code; });
  // Hash and signature say what the file was when it was opened; pages of it are read later.
  if (has_code && options.map_code && (about.st_mode & S_IWOTH))
    return in_file(make_error(Code::invalid_argument, "has code and can be written by everybody; take the right away"));
  if (has_code && options.map_code && is_in_open_folder(path))
    return in_file(make_error(Code::invalid_argument,
                              "has code and lies in a folder where everybody can replace it; take the right away"));
  return PlanFile(std::move(state));
}

const PlanInfo& PlanFile::info() const { return state_->info; }
std::span<const Section> PlanFile::sections() const { return state_->sections; }
std::span<const std::byte> PlanFile::bytes(const Section& s) const { return state_->bytes(s); }
const std::vector<PlanFile::Variant>& PlanFile::variants() const { return state_->variants; }
std::span<const std::byte> PlanFile::graph() const {
  const Section* s = state_->find(kGraphSection, 0);
  return s ? state_->bytes(*s) : std::span<const std::byte>();
}
std::string_view PlanFile::schedules() const {
  const Section* s = state_->find(kScheduleSection, 0);
  if (!s) return {};
  const auto text = state_->bytes(*s);
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}
std::string PlanFile::sha256() const { return state_->sha256(); }
std::optional<PlanFile::Signer> PlanFile::signer() const { return state_->signer(); }

// Where the kernels begin: in the code section, mapped executable.
Result<std::vector<KernelFn>> PlanFile::State::entries(const Variant& variant, Plan& plan,
                                                       std::span<const KernelRecord> records) const {
  std::vector<KernelFn> entries(records.size(), nullptr);
  if (records.empty()) return entries;
  const Section* code = find(kCodeSection, variant.index);
  plan.without_code = !code || !options.map_code;
  if (plan.without_code) {
    for (const KernelRecord& r : records) plan.kernels.push_back({r.name, nullptr, r.bytes, r.instruction_bytes});
    return entries;
  }
  QL_TRY(auto executable, options.private_code
                              ? Mapping::copy_code(bytes(*code))
                              : Mapping::make(file->file, code->offset, code->bytes, PROT_READ | PROT_EXEC));
  for (size_t i = 0; i < records.size(); ++i) {
    const KernelRecord& r = records[i];
    if (r.offset > code->bytes || r.bytes > code->bytes - r.offset || r.bytes == 0 || r.instruction_bytes > r.bytes)
      return invalid_model("kernel '", r.name, "' lies at ", r.offset, " with ", r.bytes, " bytes, the code has ",
                           code->bytes);
    const std::byte* at = executable->data + r.offset;
    entries[i] = reinterpret_cast<KernelFn>(reinterpret_cast<uintptr_t>(at));
    plan.kernels.push_back({r.name, entries[i], r.bytes, r.instruction_bytes});
  }
  plan.code_method = options.private_code ? "copied from the plan file" : "mapped from the plan file";
  if (const Section* golden = find(kGoldenSection, variant.index)) {
    FieldReader r(bytes(*golden));
    r.read(plan.golden);
    QL_CHECK_OK(std::move(r).status().context("section 'gold'"));
  }
  plan.resources.push_back(std::move(executable));
  return entries;
}

Result<std::shared_ptr<const Plan>> PlanFile::load(const Variant& variant, Isa loops, const StepCodec* others) const {
  const State& s = *state_;
  const Section *section = s.find(kPlanSection, variant.index), *weights = s.find(kWeightSection, variant.index);
  auto plan = std::make_shared<Plan>();
  PlanRecord record;
  FieldReader head(s.bytes(*section));
  head.read(record);
  if (!head.ok()) return std::move(head).status().error();
  QL_CHECK_OK(check_types(record, s.options));
  plan->isa = to_string(record.isa);
  plan->code_method = record.kernels.empty() ? "no generated code" : "the plan carries none";
  plan->inputs = std::move(record.inputs), plan->outputs = std::move(record.outputs);
  plan->before_tail = std::move(record.before_tail), plan->slots = std::move(record.slots);
  plan->arena_bytes = record.arena_bytes;
  plan->weights = AlignedBytes::mapped(s.mapping, s.mapping->data + weights->offset, weights->bytes);
  QL_TRY(std::vector<KernelFn> entries, s.entries(variant, *plan, record.kernels));
  FieldReader steps(s.bytes(*section).last(head.left()), entries);
  Checker checker(*plan, loops);
  for (uint64_t i = 0; i < record.steps; ++i) {
    QL_TRY(auto step, read_step(steps, checker, others));
    plan->steps.push_back(std::move(step));
  }
  if (steps.left()) return invalid_model(steps.left(), " bytes behind the last step");
  return std::shared_ptr<const Plan>(std::move(plan));
}

Result<std::shared_ptr<const Plan>> PlanFile::load(Isa best, const StepCodec* others) const {
  const Variant* chosen = nullptr;
  std::string found;
  for (const Variant& v : state_->variants) {
    found += cat(found.empty() ? "" : ", ", to_string(v.isa), v.code ? "" : " without code");
    const bool runs = v.code && state_->options.map_code && v.isa <= best;
    if (runs && (!chosen || v.isa > chosen->isa)) chosen = &v;
  }
  if (!chosen)
    return unsupported("'", state_->path, "' holds ", found.empty() ? "no plan" : found, "; expected code for ",
                       to_string(best));
  if (state_->info.kernel_abi != kKernelAbi)
    return unsupported("'", state_->path, "' has code of kernel convention ", state_->info.kernel_abi,
                       ", this engine calls convention ", kKernelAbi);
  return load(*chosen, std::min(best, detect_cpu().best_isa()), others).context(cat("'", state_->path, "'"));
}

}  // namespace quadlane::run
