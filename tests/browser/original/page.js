// A page as the first one was, habits included: the services must go on playing in it.
//
// It speaks MQTT 3.1.1 through Paho and the client/* dialect. Every tab calls itself id_0, so the broker drops the tab
// before. Its will is retained. It appends each message as it comes, in sequence mode; while the buffer is busy it queues,
// and takes one message from the queue per updateend only when more than one waits, which changes their order whenever
// messages come faster than it appends. Nothing here may be improved: it stands for pages that nobody can change.
//
// Address: ?broker=HOST:PORT&url=rtsp://...
(function () {
  'use strict';

  var params = new URLSearchParams(location.search);
  var broker = params.get('broker').split(':');
  var url = params.get('url');
  var clientId = 'id_0';
  var client, buffer, video;
  var describeTopic, videoTopic, mimeCodec;
  var queue = [];

  function random() {
    return Math.floor(Math.random() * 1000000000);
  }

  function send(topic, request) {
    request.clientId = clientId;
    var message = new Paho.Message(JSON.stringify(request));
    message.destinationName = topic;
    client.send(message);
  }

  function show(text) {
    document.getElementById('message').textContent = text;
  }

  function onConnect() {
    send('client/register', {});
    document.getElementById('play').disabled = false;
    document.getElementById('stop').disabled = false;
  }

  function play() {
    describeTopic = 'client/describe/response_' + random();
    client.subscribe(describeTopic);
    send('client/describe', { url: url, resp_topic: describeTopic });
  }

  function onDescribed(text) {
    var reply = JSON.parse(text);
    if (reply.error) {
      show(reply.error);
      return;
    }
    mimeCodec = reply.mimeCodec;
    client.unsubscribe(describeTopic);
    var source = new MediaSource();
    source.addEventListener('sourceopen', function () {
      if (buffer) return;
      buffer = source.addSourceBuffer(mimeCodec);
      buffer.mode = 'sequence';
      buffer.addEventListener('updateend', onUpdateEnd);
      videoTopic = 'video_' + random();
      client.subscribe(videoTopic);
      send('client/play', { url: url, resp_topic: videoTopic });
    });
    video.src = URL.createObjectURL(source);
  }

  function onUpdateEnd() {
    if (queue.length > 1) buffer.appendBuffer(queue.shift());
    if (video.paused) video.play();
  }

  function onMedia(bytes) {
    if (buffer.updating) queue.push(bytes);
    else buffer.appendBuffer(bytes);
  }

  function stop() {
    send('client/stop', { url: url });
    buffer.abort();
  }

  addEventListener('load', function () {
    video = document.getElementById('video');
    document.getElementById('play').onclick = play;
    document.getElementById('stop').onclick = stop;

    var will = new Paho.Message(JSON.stringify({ clientId: clientId }));
    will.destinationName = 'client/unregister';
    will.qos = 2;
    will.retained = true;

    client = new Paho.Client(broker[0], Number(broker[1]), clientId);
    client.onConnectionLost = function (why) {
      show('Connection lost: ' + why.errorMessage);
    };
    client.onMessageArrived = function (message) {
      if (message.destinationName === describeTopic) onDescribed(message.payloadString);
      else if (message.destinationName === videoTopic) onMedia(message.payloadBytes);
    };
    client.connect({ mqttVersion: 4, willMessage: will, onSuccess: onConnect });
  });
})();
