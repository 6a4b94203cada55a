import t from 'tap'
import { channelCompliance } from '../../../compliance/channel.ts'
import { channelPair } from '../../../fakes/channel-pair.ts'

channelCompliance(t, async () => channelPair())
