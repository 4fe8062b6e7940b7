// Defines <mqtt-video>. The one module of the player that has an effect by being imported.
import { MqttVideoElement, type MqttVideoEvents } from './element/mqtt-video';

if (!customElements.get('mqtt-video')) customElements.define('mqtt-video', MqttVideoElement);

declare global {
  interface HTMLElementTagNameMap {
    'mqtt-video': MqttVideoElement;
  }
  // Events bubble, so any element may hear them.
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- how a global interface takes members over
  interface HTMLElementEventMap extends MqttVideoEvents {}
}

export { MqttVideoElement, type MqttVideoEvents };
