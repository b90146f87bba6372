#include <algorithm>
#include <cstring>

#include "engine/base/crc32c.h"
#include "engine/run/plan_file.h"
#include "engine/run/plan_record.h"
#include "engine/run/plan_signature.h"

namespace quadlane::run {
namespace {

struct Part {
  uint32_t kind, flags, variant;
  size_t alignment;
  std::vector<std::byte> bytes;
};

// The kernels' bytes as they lie in executable memory, one behind the other.
std::vector<std::byte> code_of(const Plan& plan, std::vector<KernelRecord>& records) {
  constexpr size_t kCodeAlignment = 64;
  std::vector<std::byte> code;
  for (const Kernel& kernel : plan.kernels) {
    code.resize((code.size() + kCodeAlignment - 1) / kCodeAlignment * kCodeAlignment, std::byte{0xcc});
    records.push_back({kernel.name, code.size(), kernel.bytes, kernel.instruction_bytes});
    const auto* bytes = reinterpret_cast<const std::byte*>(kernel.entry);
    code.insert(code.end(), bytes, bytes + kernel.bytes);
  }
  return code;
}

Status add_variant(const Plan& plan, uint32_t index, bool with_code, const StepCodec* others,
                   std::vector<Part>& parts) {
  PlanRecord record;
  QL_TRY(record.isa, parse_isa(plan.isa));
  record.inputs = plan.inputs, record.outputs = plan.outputs, record.before_tail = plan.before_tail;
  record.slots = plan.slots, record.arena_bytes = plan.arena_bytes, record.steps = plan.steps.size();
  std::vector<std::byte> code = code_of(plan, record.kernels);
  std::map<KernelFn, uint32_t> numbers;
  for (size_t i = 0; i < plan.kernels.size(); ++i) numbers.emplace(plan.kernels[i].entry, static_cast<uint32_t>(i));
  FieldWriter w(std::move(numbers));
  w.write(record);
  for (const auto& step : plan.steps) QL_CHECK_OK(write_step(w, *step, others));
  parts.push_back({kPlanSection, kRequiredSection, index, 8, w.bytes()});
  const std::byte* weights = plan.weights.data();
  parts.push_back({kWeightSection, kRequiredSection, index, kPlanPage, {weights, weights + plan.weights.size()}});
  if (with_code) parts.push_back({kCodeSection, kRequiredSection, index, kPlanPage, std::move(code)});
  return {};
}

std::vector<std::byte> header(size_t file_bytes, size_t sections, std::span<const std::byte> table) {
  FieldWriter w;
  w.raw(kPlanMagic, 8);
  w.write(kPlanByteOrder);
  w.write(kPlanMajor);
  w.write(kPlanMinor);
  w.write(static_cast<uint64_t>(file_bytes));
  w.write(static_cast<uint32_t>(sections));
  w.write(crc32c(table));
  const std::byte zero[28] = {};
  w.raw(zero, sizeof zero);
  w.write(crc32c(w.bytes()));
  return w.bytes();
}

std::vector<Section> table_of(const std::vector<Part>& parts) {
  std::vector<Section> table;
  size_t at = kPlanHeaderBytes + parts.size() * kSectionBytes;
  for (const Part& part : parts) {
    at = detail::round_up(at, part.alignment);
    table.push_back({part.kind, part.flags, part.variant, crc32c(part.bytes), at, part.bytes.size()});
    at += part.bytes.size();
  }
  return table;
}

std::vector<std::byte> assemble(const std::vector<Part>& parts) {
  const std::vector<Section> sections = table_of(parts);
  FieldWriter table;
  for (const Section& section : sections) table.write(section);
  std::vector<std::byte> file = header(sections.back().offset + sections.back().bytes, parts.size(), table.bytes());
  file.insert(file.end(), table.bytes().begin(), table.bytes().end());
  for (size_t i = 0; i < parts.size(); ++i) {
    file.resize(sections[i].offset);
    file.insert(file.end(), parts[i].bytes.begin(), parts[i].bytes.end());
  }
  return file;
}

// The file with a signature as its last section.
std::vector<std::byte> assemble_signed(std::vector<Part> parts, const Ed25519Key& seed) {
  const Ed25519Key key = ed25519_public_key(seed);
  std::vector<std::byte> section(PlanSignature::kBytes);
  std::memcpy(section.data(), key.data(), key.size());
  parts.push_back({kSignatureSection, 0, 0, 8, section});
  const Ed25519Signature signature =
      ed25519_sign(signed_message(assemble(parts), table_of(parts), parts.size() - 1), seed);
  std::memcpy(parts.back().bytes.data() + key.size(), signature.data(), signature.size());
  return assemble(parts);
}

}  // namespace

Result<std::vector<std::byte>> plan_file_bytes(const PlanParts& plan, const StepCodec* others) {
  std::vector<Part> parts;
  FieldWriter info;
  info.write(plan.info);
  parts.push_back({kInfoSection, kRequiredSection, 0, 8, info.bytes()});
  for (size_t i = 0; i < plan.variants.size(); ++i)
    QL_CHECK_OK(add_variant(*plan.variants[i], static_cast<uint32_t>(i), plan.code, others, parts));
  for (size_t i = 0; i < plan.golden.size(); ++i) {
    if (plan.golden[i].empty()) continue;
    FieldWriter golden;
    golden.write(plan.golden[i]);
    parts.push_back({kGoldenSection, 0, static_cast<uint32_t>(i), 8, golden.bytes()});
  }
  if (!plan.graph.empty()) parts.push_back({kGraphSection, 0, 0, 8, plan.graph});
  const auto* schedules = reinterpret_cast<const std::byte*>(plan.schedules.data());
  if (!plan.schedules.empty())
    parts.push_back({kScheduleSection, 0, 0, 8, {schedules, schedules + plan.schedules.size()}});
  return plan.signing_seed ? assemble_signed(std::move(parts), *plan.signing_seed) : assemble(parts);
}

}  // namespace quadlane::run
