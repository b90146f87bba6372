// Plan files (.qlp): a network compiled for one or several instruction sets, ready to be mapped and run.
//
//   0   header, 64 bytes, for ever the same:
//        0 "QUADLANE"   8 u32 0x01020304 (byte order)   12 u16 major, 14 u16 minor version of what follows
//        16 u64 bytes of the file   24 u32 sections   28 u32 CRC-32C of the section table   32 zero
//        60 u32 CRC-32C of bytes 0 to 59
//   64  section table, 32 bytes each: u32 kind, u32 flags (bit 0: whoever does not know the kind must refuse the file),
//       u32 variant, u32 CRC-32C, u64 offset, u64 bytes
//   ..  sections: "info" once; for each variant (an instruction set) "plan", "wght" and, ahead of time, "code";
//       "gold", the SHA-256 of its outputs for a golden input (self_test.h);
//       "grph", the graph in its final form, for whoever has to generate code or runs the reference;
//       "schd", the schedules that timing chose, as text, for whoever has to generate code;
//       "sign", who vouches for the file (plan_signature.h)
//
// A file of the same major version loads; sections of unknown kinds are skipped unless flagged. Weights and code begin
// at pages and are mapped from the file, read-only and read-execute: processes share them, and memory never has to
// become executable. Nothing that a file says is believed before it was checked, but code is code: a file with code is
// a program, and PlanOpenOptions says which ones may be mapped. Replace a plan file by renaming another over
// it, never by writing into it: it is mapped while it is used.
#pragma once

#include "engine/base/cpu.h"
#include "engine/base/ed25519.h"
#include "engine/run/stored_steps.h"

namespace quadlane::run {

inline constexpr uint16_t kPlanMajor = 1, kPlanMinor = 0;
// Names the calling conventions in engine/base/abi: code of another number does not run here.
inline constexpr uint32_t kKernelAbi = 1;

// What a file says about itself.
struct PlanInfo {
  std::string engine_version;
  uint32_t kernel_abi = kKernelAbi;
  std::string model_name, model_sha256, calibration_sha256;
  bool int8 = false;
  double gmac = 0, gmac_executed = 0;
  static constexpr auto kFields =
      std::tuple{&PlanInfo::engine_version,     &PlanInfo::kernel_abi, &PlanInfo::model_name, &PlanInfo::model_sha256,
                 &PlanInfo::calibration_sha256, &PlanInfo::int8,       &PlanInfo::gmac,       &PlanInfo::gmac_executed};
};

constexpr uint32_t section_kind(const char (&name)[5]) {
  uint32_t kind = 0;
  for (int i = 0; i < 4; ++i) kind |= static_cast<uint32_t>(static_cast<unsigned char>(name[i])) << (8 * i);
  return kind;
}
inline constexpr uint32_t kInfoSection = section_kind("info"), kPlanSection = section_kind("plan"),
                          kWeightSection = section_kind("wght"), kCodeSection = section_kind("code"),
                          kGoldenSection = section_kind("gold"), kGraphSection = section_kind("grph"),
                          kSignatureSection = section_kind("sign"), kScheduleSection = section_kind("schd");

struct Section {
  uint32_t kind, flags, variant, crc;
  uint64_t offset, bytes;
  static constexpr auto kFields =
      std::tuple{&Section::kind, &Section::flags, &Section::variant, &Section::crc, &Section::offset, &Section::bytes};
};

struct PlanOpenOptions {
  // The files that may be opened: those of these SHA-256 (64 hexadecimal digits), and those signed by one of these
  // keys. Both empty: all.
  std::vector<std::string> allowed;
  std::vector<Ed25519Key> trusted;
  bool map_code = true;                       // false: as if no file had code
  bool private_code = false;                  // a copy in pages of no file, for profilers that name code by its file
  size_t max_file_bytes = size_t{16} << 30;
  size_t max_arena_bytes = size_t{16} << 30;  // a plan that needs more is refused
};

class PlanFile {
 public:
  static Result<PlanFile> open(const std::string& path, const PlanOpenOptions& = {});

  const PlanInfo& info() const;
  std::span<const Section> sections() const;
  std::span<const std::byte> bytes(const Section&) const;
  std::string sha256() const;  // of the whole file
  // Who signed the file, and whether the signature is theirs; nothing where nobody did.
  struct Signer {
    Ed25519Key key;
    bool genuine;
  };
  std::optional<Signer> signer() const;
  // The graph, or nothing.
  std::span<const std::byte> graph() const;
  std::string_view schedules() const;

  // What the file holds for one instruction set.
  struct Variant {
    Isa isa;
    uint32_t index;
    bool code;
  };
  const std::vector<Variant>& variants() const;
  // The plan for the best instruction set not above `best` that has code; a clear error where there is none: which
  // instruction sets the file has, and what is wanted. `others` reads steps that this library does not know.
  Result<std::shared_ptr<const Plan>> load(Isa best, const StepCodec* others = nullptr) const;
  // The plan of a variant, without kernels when its code is not there or may not be mapped: to look at.
  Result<std::shared_ptr<const Plan>> load(const Variant&, Isa loops, const StepCodec* others = nullptr) const;

 private:
  struct State;
  explicit PlanFile(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// What write_plan_file writes.
struct PlanParts {
  PlanInfo info;
  std::vector<std::shared_ptr<const Plan>> variants;  // one for each instruction set
  std::vector<std::string> golden;                    // for each of them Plan::golden; may be shorter
  bool code = false;
  std::vector<std::byte> graph;  // empty: none
  std::string schedules;
  std::optional<Ed25519Key> signing_seed;
};
// The bytes of a plan file. Equal parts, equal bytes.
Result<std::vector<std::byte>> plan_file_bytes(const PlanParts&, const StepCodec* others = nullptr);

}  // namespace quadlane::run
