// 3x3 convolutions by Winograd's minimal filtering, as in Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", 2016. A tile of outputs, TILE x TILE, takes SIDE x SIDE multiplications per channel, SIDE = TILE + 2:
// 16 instead of 36 in F(2x2, 3x3), 36 instead of 144 in F(4x4, 3x3). The inputs of the tile and the 3x3 weights are
// transformed and multiplied element by element, and the products are transformed back,
//
//     Y = A' ((G g G') * (B' d B)) A
//
// so that all channels of many tiles become SIDE x SIDE matrix products. The gradients have the same form: the
// input's is a convolution with the rotated weights, the weights' is G' ((B' d B) * (A Y A')) G.
//
// The matrices are derived from points for the multiplication of polynomials: 0, 1, -1 and infinity for tiles of
// 2x2, and 0, +-Q, +-P and infinity for tiles of 4x4.
//
// Sums are float. In bfloat16 the transformed numbers are rounded before they are multiplied: a layer's output has
// an error of 0.3 % in the root mean square, compared with 0.2 % from rounding alone. README.md has the errors in
// float. A number in the same tile as a far larger one loses digits, and one in the same tile as an infinite number
// becomes NaN.
//
// build.rs compiles this file once for each name in winograd.h's last declaration, with KERNELS as that name,
// NUMBER as Float or Bfloat16, and TILE as 2 or 4.

#include "winograd.h"

#include <immintrin.h>

#include <cstring>

#define ALWAYS_INLINE inline __attribute__((always_inline))
// Small loops over registers must be unrolled.
#define UNROLL _Pragma("GCC unroll 16")

namespace {

using winograd::Shape;

#ifdef __AVX512F__
constexpr int LANES = 16;
#else
constexpr int LANES = 8;
#endif

typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef float Unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

ALWAYS_INLINE Vector load(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }
ALWAYS_INLINE void store(float* to, Vector x) { *reinterpret_cast<Unaligned*>(to) = x; }

// A number type: how to read, write and multiply it. One instruction multiplies and adds DEPTH of them, which are
// stored side by side.
// instruction, and lie side by side for it.
struct Float {
  using T = float;
  using Factor = Vector;
  static constexpr int DEPTH = 1;

  static ALWAYS_INLINE Vector load(const T* from) { return ::load(from); }
  static ALWAYS_INLINE void store(T* to, Vector x) { ::store(to, x); }
  static ALWAYS_INLINE void interleave(T* to, const Vector (&x)[DEPTH]) { ::store(to, x[0]); }
  static ALWAYS_INLINE Factor row(const T* from) { return ::load(from); }
  static ALWAYS_INLINE Factor broadcast(const T* from) { return *from - Vector{}; }
  static ALWAYS_INLINE Vector add(Vector sum, Factor a, Factor b) { return sum + a * b; }
};

#ifdef __AVX512BF16__
struct Bfloat16 {
  using T = uint16_t; // the upper half of a float
  using Factor = __m512i;
  static constexpr int DEPTH = 2;

  static ALWAYS_INLINE Vector load(const T* from) {
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return (Vector)_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
  }
  static ALWAYS_INLINE void store(T* to, Vector x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh((__m512)x));
  }
  static ALWAYS_INLINE void interleave(T* to, const Vector (&x)[DEPTH]) {
    const __m512i order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
        23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)x[1], (__m512)x[0]);
    _mm512_storeu_si512(to, _mm512_permutexvar_epi16(order, both));
  }
  static ALWAYS_INLINE Factor row(const T* from) { return _mm512_loadu_si512(from); }
  static ALWAYS_INLINE Factor broadcast(const T* from) {
    int32_t pair;
    std::memcpy(&pair, from, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  static ALWAYS_INLINE Vector add(Vector sum, Factor a, Factor b) {
    return (Vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
  }
};
#endif

using Number = NUMBER;
using T = Number::T;
constexpr int DEPTH = Number::DEPTH;

// The numbers of a tile's transformed inputs, per row and in total: each has a place.
constexpr int SIDE = TILE + 2;
constexpr int PLACES = SIDE * SIDE;

// Vectors of a cache line: they are transformed together, so that the line is written once.
constexpr int LINE = 64 / (LANES * sizeof(T));

// A matrix's columns are divided into panels, of which `product` holds a row in registers: four vectors if the
// processor has 32 registers and the columns make whole panels, else two.
constexpr int WIDE = LANES == 16 ? 4 : 2;
constexpr int NARROW = 2;

ALWAYS_INLINE int64_t panel(int64_t columns) {
  return columns % (WIDE * LANES) == 0 ? WIDE * LANES : NARROW * LANES;
}

// The memory layout of a factor of `product`: the distance from one row to the next, and from one step of DEPTH to
// the next.
struct Stride {
  int64_t row, step;
};

// sums [ROWS, VECTORS * LANES], of rows `sums_row` apart, is (or, where ADD, grows by) the sum over all steps of
// a's row by b's vectors.
template <int ROWS, int VECTORS, bool ADD>
ALWAYS_INLINE void product(const T* a, Stride a_stride, const T* b, int64_t b_step, int64_t steps,
                           float* sums, int64_t sums_row) {
  Vector sum[ROWS][VECTORS];
  UNROLL for (int r = 0; r < ROWS; r++) {
    UNROLL for (int v = 0; v < VECTORS; v++) {
      sum[r][v] = ADD ? load(sums + r * sums_row + v * LANES) : Vector{};
    }
  }
  for (int64_t k = 0; k < steps; k++) {
    Number::Factor factors[VECTORS];
    UNROLL for (int v = 0; v < VECTORS; v++) factors[v] = Number::row(b + v * LANES * DEPTH);
    UNROLL for (int r = 0; r < ROWS; r++) {
      const Number::Factor factor = Number::broadcast(a + r * a_stride.row);
      UNROLL for (int v = 0; v < VECTORS; v++) {
        sum[r][v] = Number::add(sum[r][v], factor, factors[v]);
      }
    }
    a += a_stride.step;
    b += b_step;
  }
  UNROLL for (int r = 0; r < ROWS; r++) {
    UNROLL for (int v = 0; v < VECTORS; v++) store(sums + r * sums_row + v * LANES, sum[r][v]);
  }
}

// The points of F(4x4, 3x3), chosen by the error in float: half of that of the usual +-1, +-2. Their squares are
// exact.
constexpr float Q = 0.75f, P = 1.5f;
constexpr float QQ = Q * Q, PP = P * P;
// The product of each point's distances to the others, by which G divides.
constexpr float AT_ZERO = QQ * PP, AT_Q = 2 * QQ * (QQ - PP), AT_P = 2 * PP * (PP - QQ);

// B' d: a column of inputs.
ALWAYS_INLINE void transform_inputs(const Vector (&d)[4], Vector (&out)[4]) {
  out[0] = d[0] - d[2];
  out[1] = d[1] + d[2];
  out[2] = d[2] - d[1];
  out[3] = d[1] - d[3];
}

ALWAYS_INLINE void transform_inputs(const Vector (&d)[6], Vector (&out)[6]) {
  const Vector even_q = d[4] - PP * d[2], odd_q = d[3] - PP * d[1];
  const Vector even_p = d[4] - QQ * d[2], odd_p = d[3] - QQ * d[1];
  out[0] = d[4] - (QQ + PP) * d[2] + AT_ZERO * d[0];
  out[1] = even_q + Q * odd_q;
  out[2] = even_q - Q * odd_q;
  out[3] = even_p + P * odd_p;
  out[4] = even_p - P * odd_p;
  out[5] = d[5] - (QQ + PP) * d[3] + AT_ZERO * d[1];
}

// A y: a column of an output's gradient.
ALWAYS_INLINE void transform_gradient(const Vector (&y)[2], Vector (&out)[4]) {
  out[0] = y[0];
  out[1] = y[0] + y[1];
  out[2] = y[0] - y[1];
  out[3] = -y[1];
}

ALWAYS_INLINE void transform_gradient(const Vector (&y)[4], Vector (&out)[6]) {
  const Vector even_q = y[0] + QQ * y[2], odd_q = y[1] + QQ * y[3];
  const Vector even_p = y[0] + PP * y[2], odd_p = y[1] + PP * y[3];
  out[0] = y[0];
  out[1] = even_q + Q * odd_q;
  out[2] = even_q - Q * odd_q;
  out[3] = even_p + P * odd_p;
  out[4] = even_p - P * odd_p;
  out[5] = y[3];
}

// A' m: a column of products.
ALWAYS_INLINE void transform_back(const Vector (&m)[4], Vector (&out)[2]) {
  out[0] = m[0] + m[1] + m[2];
  out[1] = m[1] - m[2] - m[3];
}

ALWAYS_INLINE void transform_back(const Vector (&m)[6], Vector (&out)[4]) {
  const Vector even_q = m[1] + m[2], odd_q = Q * (m[1] - m[2]);
  const Vector even_p = m[3] + m[4], odd_p = P * (m[3] - m[4]);
  out[0] = m[0] + even_q + even_p;
  out[1] = odd_q + odd_p;
  out[2] = QQ * even_q + PP * even_p;
  out[3] = QQ * odd_q + PP * odd_p + m[5];
}

// G g: a column of weights.
ALWAYS_INLINE void transform_weights(const Vector (&g)[3], Vector (&out)[4]) {
  const Vector outer = 0.5f * (g[0] + g[2]), inner = 0.5f * g[1];
  out[0] = g[0];
  out[1] = outer + inner;
  out[2] = outer - inner;
  out[3] = g[2];
}

ALWAYS_INLINE void transform_weights(const Vector (&g)[3], Vector (&out)[6]) {
  const Vector even_q = (1 / AT_Q) * (g[0] + QQ * g[2]), odd_q = (Q / AT_Q) * g[1];
  const Vector even_p = (1 / AT_P) * (g[0] + PP * g[2]), odd_p = (P / AT_P) * g[1];
  out[0] = (1 / AT_ZERO) * g[0];
  out[1] = even_q + odd_q;
  out[2] = even_q - odd_q;
  out[3] = even_p + odd_p;
  out[4] = even_p - odd_p;
  out[5] = g[2];
}

// G' s: a column of sums.
ALWAYS_INLINE void finish(const Vector (&s)[4], Vector (&out)[3]) {
  const Vector half = 0.5f * s[1], other = 0.5f * s[2];
  out[0] = s[0] + half + other;
  out[1] = half - other;
  out[2] = half + other + s[3];
}

ALWAYS_INLINE void finish(const Vector (&s)[6], Vector (&out)[3]) {
  const Vector even_q = (1 / AT_Q) * (s[1] + s[2]), odd_q = (Q / AT_Q) * (s[1] - s[2]);
  const Vector even_p = (1 / AT_P) * (s[3] + s[4]), odd_p = (P / AT_P) * (s[3] - s[4]);
  out[0] = (1 / AT_ZERO) * s[0] + even_q + even_p;
  out[1] = odd_q + odd_p;
  out[2] = QQ * even_q + PP * even_p + s[5];
}

// B' d B of one tile row of images, a line of channels from `channel` on: calls emit(t, v, place, x) with the
// numbers of tiles t to before t + DEPTH at each place in the line's vector v; t is a multiple of DEPTH. Numbers
// past the row's end belong to no tile, and are not zero.
template <class Emit>
ALWAYS_INLINE void transform_tile_row(const T* xs, Shape shape, int64_t channels, int64_t tile_row,
                                      int64_t channel, Emit emit) {
  constexpr int COLUMNS = DEPTH * TILE + 2;
  const int64_t of_an_image = shape.height / TILE;
  const int64_t top = tile_row % of_an_image * TILE - 1, row = shape.width * channels;
  const bool has_above = top >= 0, has_below = top + SIDE <= shape.height;
  const T* image = xs + tile_row / of_an_image * shape.height * row + channel;
  const auto column = [&](int64_t x, int v, Vector(&out)[SIDE]) __attribute__((always_inline)) {
    if (x < 0 || x >= shape.width) {
      UNROLL for (int i = 0; i < SIDE; i++) out[i] = Vector{};
      return;
    }
    const T* from = image + top * row + x * channels + v * LANES;
    Vector d[SIDE];
    UNROLL for (int i = 0; i < SIDE; i++) {
      const bool inside = i == 0 ? has_above : i < SIDE - 1 || has_below;
      d[i] = inside ? Number::load(from + i * row) : Vector{};
    }
    transform_inputs(d, out);
  };
  // The last two columns of the previous tile are the first two of this one.
  Vector before[LINE][2][SIDE];
  for (int v = 0; v < LINE; v++) column(-1, v, before[v][0]), column(0, v, before[v][1]);
  for (int64_t t = 0; t < shape.width / TILE; t += DEPTH) {
    for (int v = 0; v < LINE; v++) {
      Vector d[COLUMNS][SIDE];
      UNROLL for (int i = 0; i < SIDE; i++) d[0][i] = before[v][0][i], d[1][i] = before[v][1][i];
      UNROLL for (int j = 2; j < COLUMNS; j++) column(TILE * t + j - 1, v, d[j]);
      UNROLL for (int i = 0; i < SIDE; i++) {
        before[v][0][i] = d[COLUMNS - 2][i], before[v][1][i] = d[COLUMNS - 1][i];
      }
      UNROLL for (int i = 0; i < SIDE; i++) {
        Vector out[DEPTH][SIDE];
        UNROLL for (int n = 0; n < DEPTH; n++) {
          Vector of_row[SIDE];
          UNROLL for (int j = 0; j < SIDE; j++) of_row[j] = d[TILE * n + j][i];
          transform_inputs(of_row, out[n]);
        }
        UNROLL for (int j = 0; j < SIDE; j++) {
          Vector x[DEPTH];
          UNROLL for (int n = 0; n < DEPTH; n++) x[n] = out[n][j];
          emit(t, v, SIDE * i + j, x);
        }
      }
    }
  }
}

// A Y A' of one tile row of an output's gradient, as in transform_tile_row; numbers past the row's end are zero.
// Adds the gradient to `bias_sums`, for the line's channels.
template <class Emit>
ALWAYS_INLINE void transform_gradient_row(const T* gradient, Shape shape, int64_t tile_row, int64_t channel,
                                          float* bias_sums, Emit emit) {
  const int64_t tiles = shape.width / TILE, row = shape.width * shape.outputs;
  const T* top = gradient + TILE * tile_row * row + channel;
  for (int64_t t = 0; t < tiles; t += DEPTH) {
    for (int v = 0; v < LINE; v++) {
      Vector half[DEPTH][TILE][SIDE], sum{};
      UNROLL for (int n = 0; n < DEPTH; n++) {
        const T* at = top + TILE * (t + n) * shape.outputs + v * LANES;
        UNROLL for (int j = 0; j < TILE; j++) {
          Vector y[TILE];
          UNROLL for (int i = 0; i < TILE; i++) {
            y[i] = n == 0 || t + n < tiles ? Number::load(at + i * row + j * shape.outputs) : Vector{};
            sum += y[i];
          }
          transform_gradient(y, half[n][j]);
        }
      }
      UNROLL for (int i = 0; i < SIDE; i++) {
        Vector out[DEPTH][SIDE];
        UNROLL for (int n = 0; n < DEPTH; n++) {
          Vector of_row[TILE];
          UNROLL for (int j = 0; j < TILE; j++) of_row[j] = half[n][j][i];
          transform_gradient(of_row, out[n]);
        }
        UNROLL for (int j = 0; j < SIDE; j++) {
          Vector x[DEPTH];
          UNROLL for (int n = 0; n < DEPTH; n++) x[n] = out[n][j];
          emit(t, v, SIDE * i + j, x);
        }
      }
      store(bias_sums + v * LANES, load(bias_sums + v * LANES) + sum);
    }
  }
}

// A' m A of one tile's products, at distances of `plane`.
ALWAYS_INLINE void transform_back(const float* m, int64_t plane, Vector (&y)[TILE][TILE]) {
  Vector half[TILE][SIDE];
  UNROLL for (int j = 0; j < SIDE; j++) {
    Vector column[SIDE], out[TILE];
    UNROLL for (int i = 0; i < SIDE; i++) column[i] = load(m + (SIDE * i + j) * plane);
    transform_back(column, out);
    UNROLL for (int i = 0; i < TILE; i++) half[i][j] = out[i];
  }
  UNROLL for (int i = 0; i < TILE; i++) transform_back(half[i], y[i]);
}

// G g G' of LANES channels' weights; at(n) loads number n of nine.
template <class At>
ALWAYS_INLINE void transform_weights(At at, Vector (&out)[PLACES]) {
  Vector half[3][SIDE];
  UNROLL for (int j = 0; j < 3; j++) {
    const Vector g[] = {at(j), at(3 + j), at(6 + j)};
    transform_weights(g, half[j]);
  }
  UNROLL for (int i = 0; i < SIDE; i++) {
    const Vector g[] = {half[0][i], half[1][i], half[2][i]};
    Vector row[SIDE];
    transform_weights(g, row);
    UNROLL for (int j = 0; j < SIDE; j++) out[SIDE * i + j] = row[j];
  }
}

// Packed weights have the layout [PLACES, columns / panel, depth / DEPTH, panel, DEPTH]: columns are the
// convolution's outputs, depth is its inputs. In the backward pass they are exchanged, and the weights are rotated.
void pack(const void* weight, Shape shape, bool back, int64_t first, int64_t last, void* packed) {
  const int64_t inputs = shape.inputs, outputs = shape.outputs;
  const int64_t columns = back ? inputs : outputs, depth = back ? outputs : inputs;
  const int64_t width = panel(columns), plane = inputs * outputs;
  const auto pack_block = [&](int64_t column, int64_t k, auto weights) __attribute__((always_inline)) {
    Vector g[DEPTH][PLACES];
    for (int n = 0; n < DEPTH; n++) {
      const auto at = [&](int tap) __attribute__((always_inline)) { return weights(k + n, tap); };
      transform_weights(at, g[n]);
    }
    T* to = static_cast<T*>(packed) + column / width * width * depth + k * width + column % width * DEPTH;
    for (int i = 0; i < PLACES; i++) {
      Vector x[DEPTH];
      UNROLL for (int n = 0; n < DEPTH; n++) x[n] = g[n][i];
      Number::interleave(to + i * plane, x);
    }
  };
  const T* from = static_cast<const T*>(weight);
  if (back) {
    for (int64_t output = first; output < last; output += DEPTH) {
      for (int64_t input = 0; input < inputs; input += LANES) {
        pack_block(input, output, [&](int64_t k, int tap) __attribute__((always_inline)) {
          return Number::load(from + (k * 9 + 8 - tap) * inputs + input);
        });
      }
    }
    return;
  }
  for (int64_t output = first; output < last; output += LANES) {
    for (int64_t input = 0; input < inputs; input += DEPTH) {
      pack_block(output, input, [&](int64_t k, int tap) __attribute__((always_inline)) {
        T numbers[LANES];
        UNROLL for (int n = 0; n < LANES; n++) numbers[n] = from[((output + n) * 9 + tap) * inputs + k];
        return Number::load(numbers);
      });
    }
  }
}

// The approximate number of tiles to process at once, so that intermediate results stay in the second-level cache
// with up to 128 channels, and a transformed weight is used for many tiles.
constexpr int64_t TILES_AT_ONCE = TILE == 2 ? 48 : 24;

// Their tile rows.
ALWAYS_INLINE int64_t block_of(Shape shape) {
  const int64_t tiles = shape.width / TILE;
  return tiles >= TILES_AT_ONCE ? 1 : TILES_AT_ONCE / tiles;
}

// Tiles in the form of `product`, at most 12 at once, and in pairs.
ALWAYS_INLINE int64_t most_tiles(Shape shape) {
  return block_of(shape) * (shape.width / TILE + 1) + 12;
}

constexpr int64_t PAGE = 4096;

ALWAYS_INLINE int64_t whole_pages(int64_t bytes) { return (bytes + PAGE - 1) / PAGE * PAGE; }

// The distance from one place to the next, in numbers: not a multiple of a page, or all places would share a few
// lines of the first-level cache.
ALWAYS_INLINE int64_t plane_of(int64_t rows, int64_t channels) { return rows * channels + 32; }

// The transformed inputs' part of the scratch memory.
ALWAYS_INLINE int64_t inputs_bytes(Shape shape) {
  return whole_pages(PLACES * plane_of(most_tiles(shape), shape.inputs) * sizeof(T));
}

int64_t scratch(Shape shape) {
  const int64_t outputs = PLACES * plane_of(most_tiles(shape), shape.outputs) * sizeof(float);
  return inputs_bytes(shape) + whole_pages(outputs);
}

template <int ROWS, int VECTORS>
void convolve_with(const T* xs, const T* packed, const float* bias, T* ys, Shape shape, int64_t first,
                   int64_t last, char* scratch) {
  const int64_t inputs = shape.inputs, outputs = shape.outputs, tiles = shape.width / TILE;
  const int64_t block = block_of(shape), width = VECTORS * LANES;
  T* transformed = reinterpret_cast<T*>(scratch);
  float* products = reinterpret_cast<float*>(scratch + inputs_bytes(shape));
  for (int64_t begin = first; begin < last; begin += block) {
    const int64_t end = begin + block < last ? begin + block : last;
    const int64_t count = (end - begin) * tiles;
    const int64_t rows = (count + ROWS - 1) / ROWS * ROWS;
    // [PLACES, rows, inputs], with zeros in rows without a tile
    const int64_t plane = plane_of(rows, inputs), products_plane = plane_of(rows, outputs);
    for (int i = 0; i < PLACES; i++) {
      std::memset(transformed + i * plane + count * inputs, 0, (rows - count) * inputs * sizeof(T));
    }
    for (int64_t row = begin; row < end; row++) {
      for (int64_t channel = 0; channel < inputs; channel += LINE * LANES) {
        T* to = transformed + (row - begin) * tiles * inputs + channel;
        const auto emit = [&](int64_t t, int v, int place, const Vector(&x)[DEPTH])
            __attribute__((always_inline)) {
              T* at = to + place * plane + t * inputs + v * LANES;
              UNROLL for (int n = 0; n < DEPTH; n++) {
                if (n == 0 || t + n < tiles) Number::store(at + n * inputs, x[n]);
              }
            };
        transform_tile_row(xs, shape, inputs, row, channel, emit);
      }
    }
    for (int i = 0; i < PLACES; i++) {
      for (int64_t column = 0; column < outputs; column += width) {
        const T* panel = packed + (i * outputs + column) * inputs;
        for (int64_t row = 0; row < rows; row += ROWS) {
          product<ROWS, VECTORS, false>(transformed + i * plane + row * inputs, {inputs, DEPTH}, panel,
                                        width * DEPTH, inputs / DEPTH,
                                        products + i * products_plane + row * outputs + column, outputs);
        }
      }
    }
    for (int64_t row = begin; row < end; row++) {
      T* top = ys + TILE * row * shape.width * outputs;
      for (int64_t t = 0; t < tiles; t++) {
        const float* from = products + ((row - begin) * tiles + t) * outputs;
        for (int64_t channel = 0; channel < outputs; channel += LANES) {
          const Vector shift = bias ? load(bias + channel) : Vector{};
          Vector y[TILE][TILE];
          transform_back(from + channel, products_plane, y);
          UNROLL for (int i = 0; i < TILE; i++) {
            T* to = top + (i * shape.width + TILE * t) * outputs + channel;
            UNROLL for (int j = 0; j < TILE; j++) Number::store(to + j * outputs, y[i][j] + shift);
          }
        }
      }
    }
  }
}

void convolve(const void* xs, const void* packed, const float* bias, void* ys, Shape shape,
              int64_t first, int64_t last, void* scratch) {
  const bool wide = panel(shape.outputs) == WIDE * LANES;
  // As many sums as fit into registers in addition to the factors.
  const auto way = wide ? convolve_with<6, WIDE> : convolve_with<LANES == 16 ? 12 : 6, NARROW>;
  way(static_cast<const T*>(xs), static_cast<const T*>(packed), bias, static_cast<T*>(ys), shape, first,
      last, static_cast<char*>(scratch));
}

template <int ROWS, int VECTORS>
void accumulate_with(const T* xs, const T* gradient, float* sums, float* bias_sums, Shape shape,
                     int64_t first, int64_t last, char* scratch) {
  const int64_t inputs = shape.inputs, outputs = shape.outputs, tiles = shape.width / TILE;
  const int64_t block = block_of(shape);
  // The sum is over tiles, DEPTH at once: [PLACES, steps, channels, DEPTH].
  const int64_t steps_of_a_row = (tiles + DEPTH - 1) / DEPTH;
  T* transformed = reinterpret_cast<T*>(scratch);
  T* transformed_gradient = reinterpret_cast<T*>(scratch + inputs_bytes(shape));
  for (int64_t begin = first; begin < last; begin += block) {
    const int64_t end = begin + block < last ? begin + block : last;
    const int64_t steps = (end - begin) * steps_of_a_row;
    const int64_t plane = plane_of(steps * DEPTH, inputs);
    const int64_t gradient_plane = plane_of(steps * DEPTH, outputs);
    const auto emit_to = [&](T* to, int64_t step, int64_t channels) __attribute__((always_inline)) {
      return [=](int64_t t, int v, int place, const Vector(&x)[DEPTH]) __attribute__((always_inline)) {
        Number::interleave(to + place * step + t * channels + v * LANES * DEPTH, x);
      };
    };
    for (int64_t row = begin; row < end; row++) {
      const int64_t before = (row - begin) * steps_of_a_row * DEPTH;
      for (int64_t channel = 0; channel < inputs; channel += LINE * LANES) {
        T* to = transformed + before * inputs + channel * DEPTH;
        transform_tile_row(xs, shape, inputs, row, channel, emit_to(to, plane, inputs));
      }
      for (int64_t channel = 0; channel < outputs; channel += LINE * LANES) {
        T* to = transformed_gradient + before * outputs + channel * DEPTH;
        transform_gradient_row(gradient, shape, row, channel, bias_sums + channel,
                               emit_to(to, gradient_plane, outputs));
      }
    }
    for (int i = 0; i < PLACES; i++) {
      for (int64_t column = 0; column < inputs; column += VECTORS * LANES) {
        for (int64_t row = 0; row < outputs; row += ROWS) {
          product<ROWS, VECTORS, true>(
              transformed_gradient + i * gradient_plane + row * DEPTH, {DEPTH, outputs * DEPTH},
              transformed + i * plane + column * DEPTH, inputs * DEPTH, steps,
              sums + (i * outputs + row) * inputs + column, inputs);
        }
      }
    }
  }
}

void accumulate(const void* xs, const void* gradient, float* sums, float* bias_sums, Shape shape,
                int64_t first, int64_t last, void* scratch) {
  const bool wide = panel(shape.inputs) == WIDE * LANES;
  // CHANNELS is a multiple of either number of rows.
  const auto way = wide ? accumulate_with<4, WIDE> : accumulate_with<LANES == 16 ? 8 : 4, NARROW>;
  way(static_cast<const T*>(xs), static_cast<const T*>(gradient), sums, bias_sums, shape, first, last,
      static_cast<char*>(scratch));
}

void finish(const float* sums, int64_t parts, Shape shape, int64_t first, int64_t last,
            void* weight_gradient) {
  const int64_t inputs = shape.inputs, plane = inputs * shape.outputs;
  for (int64_t output = first; output < last; output++) {
    for (int64_t input = 0; input < inputs; input += LANES) {
      Vector half[SIDE][3];
      for (int j = 0; j < SIDE; j++) {
        Vector column[SIDE] = {};
        for (int64_t part = 0; part < parts; part++) {
          const float* from = sums + (PLACES * part + j) * plane + output * inputs + input;
          UNROLL for (int i = 0; i < SIDE; i++) column[i] += load(from + SIDE * i * plane);
        }
        finish(column, half[j]);
      }
      for (int i = 0; i < 3; i++) {
        Vector row[SIDE], g[3];
        UNROLL for (int j = 0; j < SIDE; j++) row[j] = half[j][i];
        finish(row, g);
        T* to = static_cast<T*>(weight_gradient) + (output * 9 + 3 * i) * inputs + input;
        for (int j = 0; j < 3; j++) Number::store(to + j * inputs, g[j]);
      }
    }
  }
}

} // namespace

const winograd::Kernels winograd::KERNELS = {TILE, PLACES, pack, scratch, convolve, accumulate, finish};
