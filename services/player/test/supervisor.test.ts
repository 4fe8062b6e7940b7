import { beforeEach, describe, expect, test } from 'vitest';
import { Backoff } from '../src/engine/backoff';
import { PlayerError } from '../src/engine/errors';
import { Supervisor } from '../src/engine/supervisor';

let supervisor: Supervisor;

beforeEach(() => {
  supervisor = new Supervisor(false, new Backoff({ min: 1000, max: 30_000 }, () => 1));
});

function playing(at = 0): void {
  supervisor.connected(at);
  supervisor.answered(at);
  supervisor.heard('live', at);
  supervisor.media(at);
}

test('a connection brings the question, the answer brings play', () => {
  expect(supervisor.connected(0)).toBe('describe');
  expect(supervisor.answered(10)).toBe('play');
  expect(supervisor.phase.kind).toBe('playing');
});

test('what another sitting has asked is not asked again', () => {
  expect(new Supervisor(true).connected(0)).toBe('play');
});

test('a reconnect plays at once, without a question', () => {
  playing();
  supervisor.disconnected();
  expect(supervisor.phase.kind).toBe('down');
  expect(supervisor.connected(1000)).toBe('play');
});

test('an answer that was not waited for starts nothing', () => {
  playing();
  expect(supervisor.answered(10)).toBeUndefined();
});

describe('refusals', () => {
  test('are retried when the service says', () => {
    supervisor.connected(0);
    supervisor.refused(new PlayerError('no_capacity', '', 7000), 0);
    expect(supervisor.phase.kind).toBe('waiting');
    expect(supervisor.due(6999)).toBeUndefined();
    expect(supervisor.due(7000)).toBe('describe');
  });

  test('are retried later each time when it does not', () => {
    const waits = [0, 1, 2, 3, 4, 5, 6].map(() => {
      supervisor.connected(0);
      supervisor.refused(new PlayerError('source_unreachable'), 0);
      return supervisor.phase.kind === 'waiting' ? supervisor.phase.until : 0;
    });
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  });

  test('that nothing but a person can change end it, also for the next connection', () => {
    supervisor.connected(0);
    supervisor.refused(new PlayerError('not_allowed'), 0);
    supervisor.disconnected();
    expect(supervisor.connected(99_999)).toBeUndefined();
    expect(supervisor.due(99_999)).toBeUndefined();
    expect(supervisor.phase.kind).toBe('failed');
  });

  test('that repeat each other do not push the next try away', () => {
    playing();
    supervisor.refused(new PlayerError('no_capacity', '', 5000), 0);
    supervisor.refused(new PlayerError('no_capacity', '', 5000), 4000);
    expect(supervisor.due(5000)).toBe('describe');
  });
});

describe('silence', () => {
  test('fifteen seconds without a sign: play again', () => {
    playing();
    supervisor.media(14_000);
    expect(supervisor.due(15_000)).toBeUndefined();
    expect(supervisor.due(15_001)).toBe('play');
  });

  test('five seconds without a sign and without media: play again', () => {
    playing();
    supervisor.heard('restarting', 1000);
    expect(supervisor.due(6000)).toBeUndefined();
    expect(supervisor.due(6001)).toBe('play');
  });

  test('a sign of life is any tick or status', () => {
    playing();
    supervisor.heard(undefined, 14_000);
    supervisor.media(14_000);
    expect(supervisor.due(16_000)).toBeUndefined();
  });

  test('playing again in vain: ask anew, after a while', () => {
    playing();
    expect(supervisor.due(5001)).toBe('play');
    expect(supervisor.due(10_100)).toBeUndefined();
    expect(supervisor.phase).toMatchObject({ kind: 'waiting', error: { code: 'no_answer' } });
  });

  test('no answer to a question: ask again, after a while', () => {
    supervisor.connected(0);
    supervisor.due(20_001);
    expect(supervisor.phase).toMatchObject({ kind: 'waiting', error: { code: 'no_answer' } });
    expect(supervisor.due(21_001)).toBe('describe');
  });

  test('a live job that sends no media: play again', () => {
    playing();
    supervisor.heard('live', 10_001);
    expect(supervisor.due(10_001)).toBe('play');
  });

  test('a camera that is lost is waited for, however long', () => {
    playing();
    for (let at = 1000; at < 120_000; at += 1000) {
      supervisor.heard('restarting', at);
      expect(supervisor.due(at)).toBeUndefined();
    }
    supervisor.heard('live', 120_000);
    expect(supervisor.due(121_000)).toBeUndefined();
  });
});

test('another catch-up is asked for at most once a second', () => {
  playing();
  expect(supervisor.again(500)).toBeUndefined();
  expect(supervisor.again(1000)).toBe('play');
  expect(supervisor.again(1500)).toBeUndefined();
});
