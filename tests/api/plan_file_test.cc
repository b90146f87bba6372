// Plan files through the API: what comes back runs as what was compiled, and every damage is found.
#include "engine/run/plan_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "engine/api/plan_model.h"
#include "engine/compile/schedule_book.h"
#include "engine/reference/reference_plan.h"
#include "engine/reference/reference_step.h"
#include "engine/run/plan_record.h"
#include "engine/run/plan_signature.h"
#include "tests/support/plan_bytes.h"
#include "tests/support/small_network.h"

namespace quadlane {
namespace {

class PlanFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = (std::filesystem::temp_directory_path() / cat("quadlane-", ::getpid(), ".qlp")).string();
    PlanFileOptions options;
    options.ahead = true;
    options.about.model_name = "small";
    bytes_ = make(options);
  }
  void TearDown() override { std::filesystem::remove(path_); }

  static std::vector<std::byte> make(const PlanFileOptions& options) {
    auto made = make_plan_file(testing::small_network(), {.tune = false}, options);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().text());
    return made.ok() ? *made : std::vector<std::byte>();
  }
  void write(std::span<const std::byte> bytes) const {
    std::ofstream file(path_, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  // What loading says, or "" for a model that loads.
  std::string load_error(const run::PlanOpenOptions& options = {}) const {
    auto model = Model::load_plan(path_, {}, options);
    return model.ok() ? "" : model.error().text();
  }
  static std::vector<std::byte> outputs_of(const Model& model) {
    auto stream = model.open_stream();
    EXPECT_TRUE(stream.ok());
    Tensor x = *Tensor::allocate({DType::f32, {1, 3, 8, 8}});
    for (int64_t i = 0; i < x.count(); ++i) x.mutate<float>()[i] = static_cast<float>(i % 17) - 8.0f;
    std::vector<Tensor> out;
    std::vector<MutView> views;
    for (const auto& info : model.outputs()) out.push_back(*Tensor::allocate(info.type));
    for (Tensor& t : out) views.push_back(t.mut_view());
    View in = x.view();
    EXPECT_TRUE(stream->run({&in, 1}, views).ok());
    std::vector<std::byte> all;
    for (Tensor& t : out) {
      const auto* bytes = static_cast<const std::byte*>(t.data());
      all.insert(all.end(), bytes, bytes + t.type().bytes());
    }
    return all;
  }

  std::string path_;
  std::vector<std::byte> bytes_;
};

TEST_F(PlanFileTest, RunsAsWhatWasCompiled) {
  write(bytes_);
  auto direct = Model::from_graph(testing::small_network(), {.tune = false});
  auto stored = Model::load_plan(path_);
  ASSERT_TRUE(stored.ok()) << stored.error().text();
  if (detect_cpu().runs(Isa::avx2)) {
    EXPECT_EQ(stored->plan().code_method, "mapped from the plan file");
  }
  EXPECT_EQ(outputs_of(*stored), outputs_of(*direct));
  EXPECT_EQ(stored->inputs()[0].name, "x");
  EXPECT_EQ(stored->gmac(), direct->gmac());
  EXPECT_EQ(make({.ahead = true, .about = {.model_name = "small"}}), bytes_) << "equal graphs, equal files";
}

// `perf report` names code in a file by the file, so that for it the code lies in pages of none.
TEST_F(PlanFileTest, ProfilersHearOfEveryKernel) {
  struct Names final : CodeListener {
    explicit Names(bool private_pages) : private_pages(private_pages) {}
    bool wants_private_pages() const override { return private_pages; }
    Status code_loaded(const std::string& name, const void* address, std::span<const uint8_t> code) override {
      EXPECT_EQ(address, code.data());
      names.push_back(name);
      return {};
    }
    bool private_pages;
    std::vector<std::string> names;
  };
  const std::vector<std::byte> without_code = make({});
  for (bool private_pages : {false, true})
    for (const auto& bytes : {bytes_, without_code}) {
      write(bytes);
      auto names = std::make_shared<Names>(private_pages);
      auto model = Model::load_plan(path_, {.tune = false, .code_listeners = {names}});
      ASSERT_TRUE(model.ok()) << model.error().text();
      std::vector<std::string> expected;
      for (const run::Kernel& kernel : model->plan().kernels) expected.push_back(kernel.name);
      EXPECT_EQ(names->names, expected) << model->plan().code_method;
      EXPECT_EQ(private_pages && model->plan().code_method == "mapped from the plan file", false);
      EXPECT_EQ(outputs_of(*model), outputs_of(*Model::load_plan(path_, {.tune = false})));
    }
}

TEST_F(PlanFileTest, WithoutCodeItIsGenerated) {
  write(make({}));
  auto generated = Model::load_plan(path_, {.tune = false});
  ASSERT_TRUE(generated.ok()) << generated.error().text();
  auto direct = Model::from_graph(testing::small_network(), {.tune = false});
  EXPECT_EQ(outputs_of(*generated), outputs_of(*direct));
}

TEST_F(PlanFileTest, ReferencePlanAgrees) {
  auto direct = Model::from_graph(testing::small_network(), {.isa = Isa::reference});
  Graph graph = testing::small_network();
  auto plan = reference_plan(graph, op_table());
  ASSERT_TRUE(plan.ok());
  const ReferenceCodec codec(op_table());
  auto bytes = run::plan_file_bytes({.variants = {*plan}, .code = true}, &codec);
  ASSERT_TRUE(bytes.ok()) << bytes.error().text();
  write(*bytes);
  auto stored = Model::load_plan(path_);
  ASSERT_TRUE(stored.ok()) << stored.error().text();
  EXPECT_EQ(outputs_of(*stored), outputs_of(*direct));
}

TEST_F(PlanFileTest, EveryTruncationIsAnError) {
  write(bytes_);
  for (size_t n = bytes_.size(); n-- > 0;) {
    std::filesystem::resize_file(path_, n);
    EXPECT_NE(load_error(), "") << n << " of " << bytes_.size() << " bytes";
  }
}

// Bits between sections mean nothing; every other one is covered by a checksum.
TEST_F(PlanFileTest, EveryFlippedBitIsAnErrorOrMeansNothing) {
  write(bytes_);
  const std::vector<std::byte> expected = outputs_of(*Model::load_plan(path_));
  std::vector<bool> covered(bytes_.size(), false);
  auto file = run::PlanFile::open(path_);
  ASSERT_TRUE(file.ok());
  const size_t table_end = run::kPlanHeaderBytes + file->sections().size() * run::kSectionBytes;
  std::fill_n(covered.begin(), table_end, true);
  for (const run::Section& s : file->sections())
    std::fill_n(covered.begin() + static_cast<std::ptrdiff_t>(s.offset), s.bytes, true);
  std::fstream target(path_, std::ios::binary | std::ios::in | std::ios::out);
  auto put = [&](size_t at, std::byte value) {
    target.seekp(static_cast<std::streamoff>(at));
    target.put(static_cast<char>(value)).flush();
  };
  size_t survived = 0;
  for (size_t at = 0; at < bytes_.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      put(at, bytes_[at] ^ static_cast<std::byte>(1 << bit));
      const bool opens = run::PlanFile::open(path_).ok();
      survived += opens;
      if (opens == covered[at]) ADD_FAILURE() << "bit " << bit << " of byte " << at;
      put(at, bytes_[at]);
    }
  EXPECT_EQ(outputs_of(*Model::load_plan(path_)), expected);
  EXPECT_GT(survived, 0u);
}

// A file that is damaged and whose checksums are right: what an attacker writes. Reading ends well; what is accepted is
// run by the fuzz target `plan`, here it may have code.
TEST_F(PlanFileTest, DamageBehindRightChecksumsDoesNotHarmTheReader) {
  write(bytes_);
  auto file = run::PlanFile::open(path_);
  ASSERT_TRUE(file.ok());
  std::vector<run::Section> sections(file->sections().begin(), file->sections().end());
  size_t plan_index = 0;
  while (sections[plan_index].kind != run::kPlanSection) ++plan_index;
  const run::Section plan = sections[plan_index];
  const ReferenceCodec codec(op_table());
  int refused = 0, accepted = 0;
  std::fstream target(path_, std::ios::binary | std::ios::in | std::ios::out);
  auto put = [&](size_t at, const void* data, size_t count) {
    target.seekp(static_cast<std::streamoff>(at));
    target.write(static_cast<const char*>(data), static_cast<std::streamsize>(count)).flush();
  };
  constexpr std::byte kFlips[] = {std::byte{0xff}, std::byte{0x80}, std::byte{1}};
  std::vector<std::byte> bytes = bytes_;
  for (size_t at = 0; at < plan.bytes; ++at) {
    std::byte& damaged = bytes[plan.offset + at];
    const std::byte before = damaged;
    damaged ^= kFlips[at % 3];
    testing::seal(bytes, sections, plan_index);
    put(0, bytes.data(), run::kPlanHeaderBytes + sections.size() * run::kSectionBytes);
    put(plan.offset + at, &damaged, 1);
    auto opened = run::PlanFile::open(path_);
    const bool loads = opened.ok() && opened->load(detect_cpu().best_isa(), &codec).ok();
    loads ? ++accepted : ++refused;
    damaged = before;
    put(plan.offset + at, &damaged, 1);
  }
  EXPECT_GT(refused, accepted / 4) << accepted << " accepted: names, figures, padding values and the like";
}

TEST_F(PlanFileTest, RefusalsNameWhatWasFoundAndExpected) {
  auto patched = [&](size_t at, std::vector<uint8_t> values) {
    std::vector<std::byte> bytes = bytes_;
    for (size_t i = 0; i < values.size(); ++i) bytes[at + i] = static_cast<std::byte>(values[i]);
    const uint32_t header = crc32c(std::span(bytes).first(60));
    std::memcpy(bytes.data() + 60, &header, 4);
    write(bytes);
    return load_error();
  };
  EXPECT_EQ(patched(12, {2, 0}), cat("'", path_, "': the plan has format version 2, this engine reads version 1"));
  EXPECT_EQ(patched(14, {9, 0}), "") << "a newer minor version of the same major one";
  EXPECT_EQ(patched(8, {1, 2, 3, 4}), cat("'", path_, "': the plan was written with another order of bytes"));
  write(bytes_);
  EXPECT_NE(load_error({.allowed = {std::string(64, '0')}}).find("is not among the 1 that are allowed"),
            std::string::npos);
  auto hash = run::PlanFile::open(path_)->sha256();
  EXPECT_EQ(load_error({.allowed = {std::string(64, '0'), hash}}), "");
  PlanFileOptions options{.isas = {Isa::avx512_vnni}, .ahead = true, .graph = false};
  write(make(options));
  auto other = run::PlanFile::open(path_)->load(Isa::avx2);
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().text(), cat("'", path_, "' holds avx512_vnni; expected code for avx2"));
  options.isas = {Isa::avx2, Isa::avx512_vnni};
  write(make(options));
  const ReferenceCodec codec(op_table());
  auto both = run::PlanFile::open(path_)->load(Isa::avx2, &codec);
  if (detect_cpu().runs(Isa::avx2)) {
    EXPECT_TRUE(both.ok() && (*both)->isa == "avx2");
  }
}

TEST_F(PlanFileTest, TheSelfTestRefusesOtherOutputs) {
  if (!detect_cpu().runs(Isa::avx2)) GTEST_SKIP() << "this machine runs no generated code";
  const ModelOptions strict{.self_test = true};
  auto error = [&] {
    auto model = Model::load_plan(path_, strict);
    return model.ok() ? "" : model.error().text();
  };
  write(bytes_);
  EXPECT_EQ(error(), "");
  // As if this machine computed otherwise: another hash, behind right checksums.
  const auto file = run::PlanFile::open(path_);
  write(testing::with_other_golden_outputs(bytes_, file->sections()));
  EXPECT_EQ(load_error(), "");
  EXPECT_NE(error().find("the self-test failed: the golden input gives outputs of SHA-256 "), std::string::npos)
      << error();
  write(make({}));
  EXPECT_NE(error().find("the self-test needs a plan file with code"), std::string::npos) << error();
}

TEST_F(PlanFileTest, WhatIsNoRegularFileIsRefusedAndDoesNotBlock) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);  // without a writer
  EXPECT_FALSE(is_plan_file(path_));
  for (const std::string& path : {path_, std::string("/"), std::string("/dev/zero")}) {
    auto file = run::PlanFile::open(path);
    ASSERT_FALSE(file.ok());
    EXPECT_NE(file.error().text().find("is no regular file"), std::string::npos) << file.error().text();
  }
}

TEST_F(PlanFileTest, CodeThatEverybodyMayWriteIsRefused) {
  write(bytes_);
  std::filesystem::permissions(path_, std::filesystem::perms::others_write, std::filesystem::perm_options::add);
  EXPECT_NE(load_error().find("can be written by everybody"), std::string::npos);
  EXPECT_NE(load_error({.allowed = {run::PlanFile::open(path_, {.map_code = false})->sha256()}}), "")
      << "the hash is looked at once, pages later";
}

TEST_F(PlanFileTest, CodeThatEverybodyMayReplaceIsRefused) {
  namespace fs = std::filesystem;
  const fs::path folder = path_ + ".folder";
  fs::create_directory(folder);
  write(bytes_);
  fs::rename(path_, folder / "p.qlp");
  auto opened = [&](fs::perms rights, const run::PlanOpenOptions& options = {}) {
    fs::permissions(folder, rights);
    auto file = run::PlanFile::open((folder / "p.qlp").string(), options);
    return file.ok() ? "" : file.error().text();
  };
  EXPECT_EQ(opened(fs::perms::owner_all), "");
  EXPECT_NE(opened(fs::perms::all).find("lies in a folder where everybody can replace it"), std::string::npos);
  EXPECT_EQ(opened(fs::perms::all, {.map_code = false}), "");
  EXPECT_EQ(opened(fs::perms::all | fs::perms::sticky_bit), "") << "as /tmp";
  fs::remove_all(folder);
}

// What timing chose travels along: code that is generated elsewhere takes it and times nothing.
TEST_F(PlanFileTest, SchedulesTravelAlong) {
  auto made = make_plan_file(testing::small_network(), {.tune = true}, {});
  ASSERT_TRUE(made.ok());
  write(*made);
  auto file = run::PlanFile::open(path_);
  ASSERT_TRUE(file.ok()) << file.error().text();
  auto book = compile::ScheduleBook::from_text(file->schedules());
  ASSERT_TRUE(book.ok()) << book.error().text();
  EXPECT_EQ(book->to_text(), file->schedules());
  auto given = std::make_shared<compile::ScheduleBook>(*book);
  EXPECT_EQ(*make_plan_file(testing::small_network(), {.tune = true, .schedules = given}, {}), *made);
  EXPECT_EQ(load_error(), "");
  EXPECT_TRUE((write(bytes_), run::PlanFile::open(path_)->schedules().empty())) << "nothing was timed";
}

TEST_F(PlanFileTest, TrustIsASignatureOrAHash) {
  const Ed25519Key seed{1, 2, 3}, key = ed25519_public_key(seed), other = ed25519_public_key({4});
  const std::vector<std::byte> bytes = make({.ahead = true, .signing_seed = seed});
  const std::string by = run::key_hex(key);
  write(bytes);
  auto file = run::PlanFile::open(path_);
  ASSERT_TRUE(file.ok()) << file.error().text();
  EXPECT_TRUE(file->signer() && file->signer()->key == key && file->signer()->genuine);
  EXPECT_EQ(load_error(), "") << "who trusts everybody";
  EXPECT_EQ(load_error({.trusted = {other, key}}), "");
  EXPECT_EQ(load_error({.allowed = {file->sha256()}, .trusted = {other}}), "");
  EXPECT_EQ(load_error({.allowed = {std::string(64, '0')}, .trusted = {key}}), "");
  EXPECT_EQ(load_error({.trusted = {other}}),
            cat("'", path_, "': the file is signed by ", by, ", which is not among the 1 keys that are trusted"));
  // Whatever is changed with care for every checksum: the code, what lies between sections, the signature.
  const std::vector<run::Section> sections(file->sections().begin(), file->sections().end());
  for (size_t i = 0; i < sections.size(); ++i)
    for (size_t at :
         {sections[i].offset, sections[i].offset + sections[i].bytes - 1, sections[i].offset + sections[i].bytes}) {
      std::vector<std::byte> damaged = bytes;
      if (at >= damaged.size()) continue;
      damaged[at] ^= std::byte{4};
      testing::seal(damaged, sections, i);
      write(damaged);
      EXPECT_NE(load_error({.trusted = {key}}), "") << "section " << i << ", byte " << at;
    }
  write(bytes_);
  EXPECT_EQ(load_error({.trusted = {key}}), cat("'", path_, "': the file is not signed, expected one of 1 keys"));
}

TEST_F(PlanFileTest, UnknownSectionsAreSkippedUnlessRequired) {
  auto with_section = [&](uint32_t flags) {
    // The graph's entry becomes one of an unknown kind.
    auto file = run::PlanFile::open((write(bytes_), path_));
    std::vector<std::byte> bytes = bytes_;
    size_t index = 0;
    while (file->sections()[index].kind != run::kGraphSection) ++index;
    const size_t at = run::kPlanHeaderBytes + index * run::kSectionBytes;
    const uint32_t kind = run::section_kind("zzzz");
    std::memcpy(bytes.data() + at, &kind, 4);
    std::memcpy(bytes.data() + at + 4, &flags, 4);
    testing::seal(bytes, file->sections(), index);
    write(bytes);
    return load_error();
  };
  EXPECT_EQ(with_section(0), "");
  EXPECT_EQ(with_section(1), cat("'", path_, "': section 'zzzz' is required and unknown to this engine"));
}

// Thousands of entries for one section would each be summed, read and kept.
TEST_F(PlanFileTest, SectionsAreOneOfAKindAndApart) {
  const auto file = run::PlanFile::open((write(bytes_), path_));
  ASSERT_TRUE(file.ok());
  size_t graph = 0, plan = 0;
  while (file->sections()[graph].kind != run::kGraphSection) ++graph;
  while (file->sections()[plan].kind != run::kPlanSection) ++plan;
  // The graph's entry becomes another one of the plan's bytes.
  auto with_entry = [&](uint32_t kind, uint32_t variant) {
    std::vector<run::Section> sections(file->sections().begin(), file->sections().end());
    const run::Section& p = sections[plan];
    sections[graph] = {kind, 0, variant, p.crc, p.offset, p.bytes};
    FieldWriter table;
    for (const run::Section& s : sections) table.write(s);
    std::vector<std::byte> bytes = bytes_;
    std::copy(table.bytes().begin(), table.bytes().end(), bytes.begin() + run::kPlanHeaderBytes);
    testing::seal(bytes, sections, graph);
    write(bytes);
    return load_error();
  };
  const auto& p = file->sections()[plan];
  EXPECT_EQ(with_entry(run::kPlanSection, 0), cat("'", path_, "': section 'plan' of variant 0 exists twice"));
  const std::string text = with_entry(run::kGraphSection, 0);
  EXPECT_NE(text.find(cat(" lies at ", p.offset, ", section '")), std::string::npos) << text;
  EXPECT_NE(text.find(cat("' ends at ", p.offset + p.bytes)), std::string::npos) << text;
}

}  // namespace
}  // namespace quadlane
