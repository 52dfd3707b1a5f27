/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The framed stream: bytes in, bytes out. Who may send what and when: wire_check.c. */
#include "wire.h"
#include "le.h"

/* Where each field of the header lies; sizes follow from the next one. */
enum {
	O_MAGIC = 0,
	O_VERSION = 4,
	O_HDR_LEN = 6,
	O_TYPE = 8,
	O_FLAGS = 10,
	O_LENGTH = 12,
	O_ID = 16,
	O_OFFSET = 32,
	O_SEQUENCE = 40,
	O_TIMESTAMP = 48,
	O_TICKS = 56,
	O_LOST = 64,
	O_RESERVED = 72,
	O_CRC = 92,
};

/* And of a hello's payload. */
enum {
	H_SAMPLE = 0,
	H_ENDIAN = 1,
	H_BITS = 2,
	H_CHANNELS = 4,
	H_RATE = 8,
	H_CLOCK = 16,
	H_ACK = 17,
	H_RESERVED = 18,
	H_BLOCK = 20,
	H_WINDOW = 24,
	H_NAME = 32,
};

_Static_assert(O_CRC + 4 == DMAF_WIRE_HDR, "the CRC ends the header");
_Static_assert(DMAF_WIRE_HDR % 8 == 0, "a header keeps what follows it 8-byte aligned");
_Static_assert(O_OFFSET == O_ID + 16 && O_RESERVED == O_LOST + 8, "no holes around the id");
_Static_assert(O_OFFSET % 8 == 0 && O_LOST % 8 == 0, "64-bit fields lie aligned");
_Static_assert(H_NAME + DMAF_WIRE_NAME == DMAF_WIRE_HELLO, "the name ends the hello");
_Static_assert(H_WINDOW % 8 == 0 && H_RATE % 8 == 0, "64-bit fields lie aligned");

static const uint8_t magic[4] = {'D', 'M', 'A', 'F'};

static int all_zero(const uint8_t *p, uint32_t len)
{
	while (len--)
		if (*p++)
			return 0;
	return 1;
}

/*
 * Length of the UTF-8 character at @p, 0 when it is none or a control character: an error's text
 * ends on somebody's terminal. Shortest forms only, no surrogates (RFC 3629).
 */
static uint32_t utf8_char(const uint8_t *p, uint32_t have)
{
	uint32_t len, i, c;

	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f;
	len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || have < len)
		return 0;
	c = p[0] & (0x7fu >> len);
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < 0xa0 || (len == 3 && c < 0x800) || (len == 4 && c < 0x10000) || c > 0x10ffff ||
	    (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return len;
}

static int text_ok(const uint8_t *p, uint32_t len)
{
	uint32_t n;

	for (; len; p += n, len -= n) {
		n = utf8_char(p, len);
		if (!n)
			return 0;
	}
	return 1;
}

static void put_hdr(uint8_t *out, const struct dmaf_wire_hdr *h, uint16_t type, uint32_t length)
{
	uint32_t i;

	for (i = 0; i < 4; i++)
		out[O_MAGIC + i] = magic[i];
	dmaf_put_le16(out + O_VERSION, DMAF_WIRE_VERSION);
	dmaf_put_le16(out + O_HDR_LEN, DMAF_WIRE_HDR);
	dmaf_put_le16(out + O_TYPE, type);
	dmaf_put_le16(out + O_FLAGS, h->flags);
	dmaf_put_le32(out + O_LENGTH, length);
	for (i = 0; i < 16; i++)
		out[O_ID + i] = h->id[i];
	dmaf_put_le64(out + O_OFFSET, h->pos.offset);
	dmaf_put_le64(out + O_SEQUENCE, h->pos.sequence);
	dmaf_put_le64(out + O_TIMESTAMP, h->timestamp);
	dmaf_put_le64(out + O_TICKS, h->ticks);
	dmaf_put_le64(out + O_LOST, h->pos.lost);
	for (i = O_RESERVED; i < O_CRC; i++)
		out[i] = 0;
	dmaf_put_le32(out + O_CRC, dmaf_crc32c(0, out, O_CRC));
}

uint32_t dmaf_wire_put_data(uint8_t *out, const struct dmaf_wire_hdr *h)
{
	put_hdr(out, h, DMAF_WIRE_T_DATA, h->length);
	return DMAF_WIRE_HDR;
}

uint32_t dmaf_wire_put_ack(uint8_t *out, const struct dmaf_wire_hdr *h)
{
	put_hdr(out, h, DMAF_WIRE_T_ACK, 0);
	return DMAF_WIRE_HDR;
}

uint32_t dmaf_wire_put_heartbeat(uint8_t *out, const struct dmaf_wire_hdr *h)
{
	put_hdr(out, h, DMAF_WIRE_T_HEARTBEAT, 0);
	return DMAF_WIRE_HDR;
}

uint32_t dmaf_wire_put_hello(uint8_t *out, const struct dmaf_wire_hdr *h,
			     const struct dmaf_wire_hello *hello)
{
	uint8_t *p = out + DMAF_WIRE_HDR;
	uint32_t i;

	put_hdr(out, h, DMAF_WIRE_T_HELLO, DMAF_WIRE_HELLO);
	p[H_SAMPLE] = hello->sample;
	p[H_ENDIAN] = hello->big_endian;
	dmaf_put_le16(p + H_BITS, hello->bits);
	dmaf_put_le32(p + H_CHANNELS, hello->channels);
	dmaf_put_le64(p + H_RATE, hello->rate_millihz);
	p[H_CLOCK] = hello->clock;
	p[H_ACK] = hello->ack;
	dmaf_put_le16(p + H_RESERVED, 0);
	dmaf_put_le32(p + H_BLOCK, hello->block);
	dmaf_put_le64(p + H_WINDOW, hello->window);
	for (i = 0; i < DMAF_WIRE_NAME; i++)
		p[H_NAME + i] = (uint8_t)hello->name[i];
	return DMAF_WIRE_HDR + DMAF_WIRE_HELLO;
}

uint32_t dmaf_wire_put_end(uint8_t *out, const struct dmaf_wire_hdr *h, uint64_t total_lost)
{
	put_hdr(out, h, DMAF_WIRE_T_END, DMAF_WIRE_END);
	dmaf_put_le64(out + DMAF_WIRE_HDR, h->pos.offset);
	dmaf_put_le64(out + DMAF_WIRE_HDR + 8, total_lost);
	return DMAF_WIRE_HDR + DMAF_WIRE_END;
}

uint32_t dmaf_wire_put_error(uint8_t *out, const struct dmaf_wire_hdr *h, uint32_t code,
			     const char *text, uint32_t text_len)
{
	const uint8_t *in = (const uint8_t *)text;
	uint8_t *p = out + DMAF_WIRE_HDR;
	uint32_t n, i, len = 0;

	dmaf_put_le32(p, code);
	dmaf_put_le32(p + 4, 0);
	while (text_len && len < DMAF_WIRE_TEXT) {
		n = utf8_char(in, text_len);
		if (len + n > DMAF_WIRE_TEXT)
			break;
		for (i = 0; i < n; i++)
			p[DMAF_WIRE_ERROR + len + i] = in[i];
		if (!n) {
			p[DMAF_WIRE_ERROR + len] = '?';
			n = 1;
		}
		len += n;
		in += n;
		text_len -= n;
	}
	put_hdr(out, h, DMAF_WIRE_T_ERROR, DMAF_WIRE_ERROR + len);
	return DMAF_WIRE_HDR + DMAF_WIRE_ERROR + len;
}

static uint16_t flags_of(unsigned int type)
{
	switch (type) {
	case DMAF_WIRE_T_HELLO: return DMAF_WIRE_ANSWER;
	case DMAF_WIRE_T_DATA: return DMAF_WIRE_MORE | DMAF_WIRE_SHORT | DMAF_WIRE_BAD;
	case DMAF_WIRE_T_ACK: return DMAF_WIRE_DONE;
	default: return 0;
	}
}

static int length_ok(const struct dmaf_wire_hdr *h)
{
	switch (h->type) {
	case DMAF_WIRE_T_HELLO: return h->length == DMAF_WIRE_HELLO;
	case DMAF_WIRE_T_DATA: return h->length > 0;
	case DMAF_WIRE_T_END: return h->length == DMAF_WIRE_END;
	case DMAF_WIRE_T_ERROR:
		return h->length >= DMAF_WIRE_ERROR &&
		       h->length <= DMAF_WIRE_ERROR + DMAF_WIRE_TEXT;
	default: return h->length == 0;
	}
}

/* What can be said of a header whose CRC is right. */
static int hdr_check(const struct dmaf_wire_hdr *h, const uint8_t *p, uint32_t max_data)
{
	if (h->type < DMAF_WIRE_T_HELLO || h->type > DMAF_WIRE_T_HEARTBEAT)
		return -DMAF_WIRE_E_TYPE;
	if (h->flags & ~flags_of(h->type))
		return -DMAF_WIRE_E_FLAGS;
	if (!all_zero(p + O_RESERVED, O_CRC - O_RESERVED))
		return -DMAF_WIRE_E_RESERVED;
	if (!length_ok(h))
		return -DMAF_WIRE_E_LENGTH;
	if (h->type == DMAF_WIRE_T_DATA && h->length > max_data)
		return -DMAF_WIRE_E_TOO_LONG;
	if (h->type != DMAF_WIRE_T_ERROR && all_zero(h->id, 16))
		return -DMAF_WIRE_E_STREAM;
	/* Room for this frame's own payload and buffer, so that nobody after us has to ask. */
	if (h->pos.offset + h->length < h->pos.offset || h->pos.sequence == ~(uint64_t)0)
		return -DMAF_WIRE_E_WRAP;
	return 0;
}

static int get_hello(struct dmaf_wire_hello *hello, const uint8_t *p)
{
	uint32_t i, len = 0;

	hello->sample = p[H_SAMPLE];
	hello->big_endian = p[H_ENDIAN];
	hello->bits = dmaf_get_le16(p + H_BITS);
	hello->channels = dmaf_get_le32(p + H_CHANNELS);
	hello->rate_millihz = dmaf_get_le64(p + H_RATE);
	hello->clock = p[H_CLOCK];
	hello->ack = p[H_ACK];
	hello->block = dmaf_get_le32(p + H_BLOCK);
	hello->window = dmaf_get_le64(p + H_WINDOW);
	for (i = 0; i < DMAF_WIRE_NAME; i++)
		hello->name[i] = (char)p[H_NAME + i];

	if (!all_zero(p + H_RESERVED, H_BLOCK - H_RESERVED))
		return -DMAF_WIRE_E_RESERVED;
	if (hello->sample > DMAF_WIRE_S_OTHER || hello->big_endian > 1 ||
	    hello->clock > DMAF_WIRE_C_TAI || hello->ack > DMAF_WIRE_A_SYNCED || !hello->block ||
	    hello->block > DMAF_WIRE_BLOCK_MAX)
		return -DMAF_WIRE_E_HELLO;
	while (len < DMAF_WIRE_NAME && p[H_NAME + len])
		len++;
	if (!text_ok(p + H_NAME, len) || !all_zero(p + H_NAME + len, DMAF_WIRE_NAME - len))
		return -DMAF_WIRE_E_TEXT;
	return 0;
}

static int get_payload(struct dmaf_wire_frame *f, const uint8_t *p)
{
	switch (f->hdr.type) {
	case DMAF_WIRE_T_HELLO: return get_hello(&f->u.hello, p);
	case DMAF_WIRE_T_END:
		f->u.end.bytes = dmaf_get_le64(p);
		f->u.end.lost = dmaf_get_le64(p + 8);
		return f->u.end.bytes == f->hdr.pos.offset ? 0 : -DMAF_WIRE_E_TOTAL;
	case DMAF_WIRE_T_ERROR:
		f->u.error.code = dmaf_get_le32(p);
		f->u.error.text = (const char *)p + DMAF_WIRE_ERROR;
		f->u.error.text_len = f->hdr.length - DMAF_WIRE_ERROR;
		if (dmaf_get_le32(p + 4))
			return -DMAF_WIRE_E_RESERVED;
		return text_ok(p + DMAF_WIRE_ERROR, f->u.error.text_len) ? 0 : -DMAF_WIRE_E_TEXT;
	default: return 0;
	}
}

int dmaf_wire_get(const void *bytes, size_t have, uint32_t max_data, struct dmaf_wire_frame *f)
{
	const uint8_t *p = bytes;
	struct dmaf_wire_hdr *h = &f->hdr;
	size_t i, need;
	int err;

	for (i = 0; i < 4 && i < have; i++)
		if (p[O_MAGIC + i] != magic[i])
			return -DMAF_WIRE_E_MAGIC;
	if (have >= O_VERSION + 2 && dmaf_get_le16(p + O_VERSION) != DMAF_WIRE_VERSION)
		return -DMAF_WIRE_E_VERSION;
	if (have >= O_HDR_LEN + 2 && dmaf_get_le16(p + O_HDR_LEN) != DMAF_WIRE_HDR)
		return -DMAF_WIRE_E_HEADER;
	if (have < DMAF_WIRE_HDR)
		return (int)(DMAF_WIRE_HDR - have);
	if (dmaf_get_le32(p + O_CRC) != dmaf_crc32c(0, p, O_CRC))
		return -DMAF_WIRE_E_CRC;

	h->type = dmaf_get_le16(p + O_TYPE);
	h->flags = dmaf_get_le16(p + O_FLAGS);
	h->length = dmaf_get_le32(p + O_LENGTH);
	for (i = 0; i < 16; i++)
		h->id[i] = p[O_ID + i];
	h->pos.offset = dmaf_get_le64(p + O_OFFSET);
	h->pos.sequence = dmaf_get_le64(p + O_SEQUENCE);
	h->pos.lost = dmaf_get_le64(p + O_LOST);
	h->timestamp = dmaf_get_le64(p + O_TIMESTAMP);
	h->ticks = dmaf_get_le64(p + O_TICKS);

	err = hdr_check(h, p, max_data);
	if (err || h->type == DMAF_WIRE_T_DATA)
		return err;
	need = DMAF_WIRE_HDR + h->length;
	if (have < need)
		return (int)(need - have);
	return get_payload(f, p + DMAF_WIRE_HDR);
}

const char *dmaf_wire_type_name(unsigned int type)
{
	static const char *const names[] = {
		[DMAF_WIRE_T_HELLO] = "hello", [DMAF_WIRE_T_DATA] = "data",
		[DMAF_WIRE_T_END] = "end",     [DMAF_WIRE_T_ERROR] = "error",
		[DMAF_WIRE_T_ACK] = "ack",     [DMAF_WIRE_T_HEARTBEAT] = "heartbeat",
	};

	return type >= DMAF_WIRE_T_HELLO && type <= DMAF_WIRE_T_HEARTBEAT ? names[type] : "unknown";
}

const char *dmaf_wire_reason(int why)
{
	static const char *const texts[] = {
		[0] = "no error",
		[DMAF_WIRE_E_MAGIC] = "not a dmaflow frame: it does not begin with DMAF",
		[DMAF_WIRE_E_VERSION] = "a version of the framed stream that is not 1",
		[DMAF_WIRE_E_HEADER] = "a header length that is not 96",
		[DMAF_WIRE_E_CRC] = "the header's CRC-32C does not match its bytes",
		[DMAF_WIRE_E_TYPE] = "an unknown type of frame",
		[DMAF_WIRE_E_FLAGS] = "a flag that this type of frame does not have",
		[DMAF_WIRE_E_RESERVED] = "reserved bytes that are not zero",
		[DMAF_WIRE_E_LENGTH] = "a payload length that this type of frame cannot have",
		[DMAF_WIRE_E_TOO_LONG] = "more payload than the agreed block",
		[DMAF_WIRE_E_WRAP] = "an offset, sequence or loss count that runs past 64 bits",
		[DMAF_WIRE_E_HELLO] = "a hello with a field out of range",
		[DMAF_WIRE_E_TEXT] = "text that is not UTF-8 or has control characters",
		[DMAF_WIRE_E_NO_HELLO] = "a frame before any hello",
		[DMAF_WIRE_E_HELLO_AGAIN] = "a second hello on one link",
		[DMAF_WIRE_E_STREAM] = "a frame of another stream",
		[DMAF_WIRE_E_OFFSET] = "a stream offset that does not follow from the frame before",
		[DMAF_WIRE_E_SEQUENCE] =
			"a sequence number that does not follow from the frame before",
		[DMAF_WIRE_E_AFTER_END] = "a frame after the end of the stream",
		[DMAF_WIRE_E_TOTAL] = "totals at the end that differ from what was received",
		[DMAF_WIRE_E_DIRECTION] = "a type of frame that only the other side may send",
		[DMAF_WIRE_E_NO_ANSWER] = "a frame before the receiver answered the hello",
		[DMAF_WIRE_E_ACK_BEYOND] = "an ack beyond what was sent",
		[DMAF_WIRE_E_ACK_BACK] = "an ack before an earlier ack",
		[DMAF_WIRE_E_ACK_MODE] = "acks that promise less than was asked for",
		[DMAF_WIRE_E_BEHIND] = "the receiver lacks what the sender no longer keeps",
		[DMAF_WIRE_E_AHEAD] = "the receiver has more of the stream than was sent",
		[DMAF_WIRE_E_DONE] = "an ack of the end that does not match the end",
		[DMAF_WIRE_E_BUSY] = "another stream is being received",
		[DMAF_WIRE_E_TIMEOUT] = "no valid hello in time",
		[DMAF_WIRE_E_SINK] = "the receiver cannot write",
		[DMAF_WIRE_E_SOURCE] = "the sender cannot read",
		[DMAF_WIRE_E_STOPPED] = "stopped by its user",
		[DMAF_WIRE_E_SUPERSEDED] = "the stream goes on over a newer link",
	};
	/* Negated as unsigned: INT_MIN has no positive counterpart. */
	unsigned int n = why < 0 ? 0u - (unsigned int)why : (unsigned int)why;

	return n <= DMAF_WIRE_E_LAST ? texts[n] : "a reason this version does not know";
}
